// SPDX-License-Identifier: GPL-2.0-or-later
// The images of this host: which versions there are, and what their signed records say.
#pragma once

#include "channel-record.h"
#include "chunk-store.h"
#include "config.h"
#include "index.h"
#include "origin.h"
#include "signature.h"
#include "version-record.h"

typedef struct ImageLibrary ImageLibrary;

/* Open the state directory of CONFIG: its store, its images, the site's public key.  Safe to use
   from several threads.  */
ImageLibrary *image_library_open (const Config *config, GError **error);
void image_library_free (ImageLibrary *library);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ImageLibrary, image_library_free)

ChunkStore *image_library_store (const ImageLibrary *library);
const PublicKey *image_library_public_key (const ImageLibrary *library);

/* What this host kept whole when the library was opened.  */
const Origin *image_library_origin (const ImageLibrary *library);

/* The names of all images, sorted; owned by the caller.  */
GPtrArray *image_library_images (const ImageLibrary *library, GError **error);

/* The versions of IMAGE that have a record, ascending; an array of guint, empty where the image
   does not exist.  */
GArray *image_library_versions (const ImageLibrary *library, const char *image, GError **error);

/* One version: its verified record and its index, which is what the record says it is.  */
typedef struct
{
  VersionRecord *record;
  Index *index;
} ImageVersion;
ImageVersion *image_library_load (const ImageLibrary *library, const char *image, guint version,
                                  GError **error);
void image_version_free (ImageVersion *version);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ImageVersion, image_version_free)

/* Its record alone.  */
VersionRecord *image_library_load_record (const ImageLibrary *library, const char *image,
                                          guint version, GError **error);

/* The verified channel record of IMAGE; NULL without an error where the image has none yet.  */
ChannelRecord *image_library_load_channels (const ImageLibrary *library, const char *image,
                                            GError **error);

/* What this host is called, by which it knows what a rollout has reached.  */
const char *image_library_host (const ImageLibrary *library);

/* The version that CHANNEL of IMAGE names on this host.  An error says whether image or channel is
   missing, and what there is.  */
gboolean image_library_resolve (const ImageLibrary *library, const char *image, const char *channel,
                                guint *version, GError **error);

/* Set ERROR (G_IO_ERROR_NOT_FOUND) to the sentence for an image, or with VERSION not 0 for one
   version of it, that this host has not.  Returns FALSE.  */
gboolean image_library_fail_missing (const char *image, guint version, GError **error);

/* Whoever makes a version of an image locks this file in its directory.  */
#define IMAGE_LOCK ".lock"

/* Make the directory of IMAGE, and lock it for making a version or changing its channels.  Waits,
   or without WAIT fails with G_IO_ERROR_WOULD_BLOCK.  Closing the descriptor unlocks; -1 on error.
 */
int image_library_lock (const ImageLibrary *library, const char *image, gboolean wait,
                        GError **error);

/* STATE/images/IMAGE/NAME, owned by the caller; NAME may be NULL.  */
char *image_library_path (const ImageLibrary *library, const char *image, const char *name);
char *image_library_version_path (const ImageLibrary *library, const char *image, guint version,
                                  const char *suffix);
