// SPDX-License-Identifier: GPL-2.0-or-later
// Publishing: a disk becomes the next version of an image.
#pragma once

#include "image-library.h"
#include "nbd-source.h"
#include "progress.h"

typedef struct
{
  const char *image;
  const char *channel; // that shall name the new version
  const char *note;    // "" for none, at most RECORD_NOTE_MAX bytes of UTF-8
  const char *by;      // who, for the history; NULL: channel_change_author
} PublishOptions;

typedef struct
{
  guint version;
  guint64 virtual_size, data_size; // bytes, as the guest sees them
  guint64 new_size;                // of chunks that the store did not have
  guint64 new_chunks;              // how many those were
  guint64 stored_size;             // of those, compressed
} PublishResult;

/* The checks that need nothing but OPTIONS.  */
gboolean publish_check (const PublishOptions *options, GError **error);

/* Make SOURCE the next version of OPTIONS->image in LIBRARY, signed with KEY.  Another publish of
   the same image is waited for.  At any failure or crash the image has its old versions and
   channels, and at most there is litter that gc takes.  */
gboolean publish_run (ImageLibrary *library, const SigningKey *key, NbdSource *source,
                      const PublishOptions *options, const Progress *progress,
                      PublishResult *result, GError **error);
