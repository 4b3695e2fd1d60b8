// SPDX-License-Identifier: GPL-2.0-or-later
// Publishing: a disk becomes the next version of an image, as a whole or as what an edit changed.
#pragma once

#include "image-library.h"
#include "nbd-source.h"
#include "progress.h"

typedef struct
{
  const char *image;
  const char *channel;      // that shall name the new version
  const char *note;         // "" for none, at most RECORD_NOTE_MAX bytes of UTF-8
  const char *action;       // for the history: CHANNEL_PUBLISH, CHANNEL_EDIT or CHANNEL_CAPTURE
  const char *by;           // who, for the history; NULL: channel_change_author
  guint edited;             // the version that lies below the disk; 0: the disk is whole
  const char *edited_image; // of that version, if it is another image's; NULL: it is IMAGE's
  guint channel_named;      // which one CHANNEL named when the edit began, 0 for none
  gboolean force;           // publish an edit whatever the channels name by now
} PublishOptions;

typedef struct
{
  guint version; // 0: every chunk is as it was in the edited version, and there is no new one
  guint64 virtual_size, data_size; // bytes, as the guest sees them
  guint64 new_size;                // of chunks that the store did not have
  guint64 new_chunks;              // how many those were
  guint64 stored_size;             // of those, compressed
} PublishResult;

/* The checks that need nothing but OPTIONS.  */
gboolean publish_check (const PublishOptions *options, GError **error);

/* Note in OPTIONS which version its channel names in LIBRARY.  */
gboolean publish_note_channel (const ImageLibrary *library, PublishOptions *options,
                               GError **error);

/* Whether an edit of OPTIONS->edited may be published as the channels of LIBRARY are: its channel
   names what it named, and the version is the channel's or the production one.  */
gboolean publish_check_edit (const ImageLibrary *library, const PublishOptions *options,
                             GError **error);

/* Make SOURCE the next version of OPTIONS->image in LIBRARY, signed with KEY.  Another publish of
   the same image is waited for.  An edit costs what it has changed.  At any failure or crash the
   image has its old versions and channels, and at most there is litter that gc takes.  */
gboolean publish_run (ImageLibrary *library, const SigningKey *key, NbdSource *source,
                      const PublishOptions *options, const Progress *progress,
                      PublishResult *result, GError **error);
