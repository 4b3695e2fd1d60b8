// SPDX-License-Identifier: GPL-2.0-or-later
// The channel record: which version each channel of an image names.
//
//   { "format": "gild-channels-1", "image": "accounting/desktop", "serial": 12,
//     "channels": { "production": 7, "test": 8 }, "expires": "2027-11-20T02:00:00Z" }
//
// A newer record has a higher serial, whatever it says: a host takes no record from another whose
// serial is not higher than that of the one it has.
#pragma once

#include <glib.h>

#define CHANNEL_DEFAULT      "production"
#define CHANNEL_EXPIRES_DAYS 365

typedef struct
{
  char *image;
  guint64 serial;
  GHashTable *channels; // name -> GUINT_TO_POINTER (version)
  char *expires;        // ISO 8601, UTC
} ChannelRecord;

ChannelRecord *channel_record_new (const char *image);
void channel_record_free (ChannelRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChannelRecord, channel_record_free)

/* The version that CHANNEL names, 0 if none.  */
guint channel_record_get (const ChannelRecord *record, const char *channel);

/* The names of the channels that name VERSION, sorted, joined with ", "; "" if none.  */
char *channel_record_names_of (const ChannelRecord *record, guint version);

/* Whether RECORD's time was over at NOW.  It is used all the same: a desktop that does not start
   helps nobody; but somebody should know.  */
gboolean channel_record_is_expired (const ChannelRecord *record, GDateTime *now);

char *channel_record_to_json (const ChannelRecord *record);
ChannelRecord *channel_record_from_json (const char *text, gsize size, GError **error);
