// SPDX-License-Identifier: GPL-2.0-or-later
// Changing what a channel names: the one place where a channel record becomes the next one.
//
// A change is a new record with a higher serial, also when it goes back to an older version.  While
// a staged rollout goes on there is none: its further records are signed already, and know of no
// other change.
#pragma once

#include "image-library.h"

typedef struct
{
  const char *channel;
  guint version;      // that it shall name; 0: the one that it named before, by its history
  const char *action; // CHANNEL_PUBLISH, …
  const char *by;     // who, as channel_change_author says; NULL: ask it
  const char *note;   // why; "" for none, at most RECORD_NOTE_MAX bytes of UTF-8
  guint percent;      // of the hosts, on which it shall name it; 0 and 100: all
  guint from;         // that it has to name until then; 0: whichever
} ChannelChange;

/* The checks that need nothing but CHANGE.  */
gboolean channel_change_check (const ChannelChange *change, GError **error);

/* Who runs this program: USER@HOST, whom sudo was called by if it was; owned by the caller.  To be
   asked before becoming the store's owner.  */
char *channel_change_author (void);

/* The channels of IMAGE, to be changed; empty ones for a new image.  G_IO_ERROR_BUSY while a
   rollout goes on.  The caller holds the image's lock.  */
ChannelRecord *channel_change_begin (const ImageLibrary *library, const char *image,
                                     GError **error);

/* Make RECORD, from channel_change_begin, say what CHANGE, whose version is not 0, asks for, as the
   record that follows on it; and sign and write it.  The caller holds the image's lock.  */
gboolean channel_change_apply (ChannelRecord *record, const ChannelChange *change, GError **error);
gboolean channel_change_write (const ImageLibrary *library, const SigningKey *key,
                               const ChannelRecord *record, GError **error);

/* The locks under which channels of IMAGE, which has to be there, are changed: the store's against
   gc, and the image's.  They are waited for.  */
typedef struct
{
  int store, image;
} ChannelLocks;
gboolean channel_change_lock (const ImageLibrary *library, const char *image, ChannelLocks *locks,
                              GError **error);
void channel_change_unlock (const ChannelLocks *locks);

/* Whether VERSION of IMAGE is there, record and index.  G_IO_ERROR_NOT_FOUND, with what there is,
   where it is not.  */
gboolean channel_change_check_version (const ImageLibrary *library, const char *image,
                                       guint version, GError **error);

/* Whether RECORD's channel names what it has to for CHANGE; G_IO_ERROR_BUSY where it does not.  */
gboolean channel_change_check_from (const ChannelRecord *record, const ChannelChange *change,
                                    GError **error);

typedef struct
{
  guint version; // that the channel names now
  guint from;    // and before, 0: none; the same where there was nothing to change
} ChannelChangeResult;

/* Have the channel of IMAGE name another version, which has to be there: under the store's and the
   image's lock.  G_IO_ERROR_NOT_FOUND, with what there is, where the version is not.  */
gboolean channel_change_run (const ImageLibrary *library, const SigningKey *key, const char *image,
                             const ChannelChange *change, ChannelChangeResult *result,
                             GError **error);
