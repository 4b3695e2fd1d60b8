// SPDX-License-Identifier: GPL-2.0-or-later
// The channel record: which version each channel of an image names.
//
//   { "format": "gild-channels-1", "image": "accounting/desktop", "serial": 12,
//     "channels": { "production": 7, "test": 8 }, "expires": "2027-11-20T02:00:00Z",
//     "rollouts": { "production": { "version": 8, "percent": 5 } }, "reserved": 15,
//     "history": [see channel-history.h] }
//
// A newer record has a higher serial, whatever it says: a host takes no record from another whose
// serial is not higher than that of the one it has.
//
// The last three may be missing, and a program that does not know them goes by "channels".
// "rollouts": on the hosts that a rollout has reached (rollout-bucket.h) the channel names its
// version.  "reserved": the highest serial of the records that were signed together with this one,
// for the rollout's further stages; a later record's is higher than that.
#pragma once

#include <glib.h>

#include "channel-history.h"

#define CHANNEL_DEFAULT      "production"
#define CHANNEL_EXPIRES_DAYS 365

typedef struct
{
  guint version;
  guint percent; // 1 to 100
} ChannelRollout;

typedef struct
{
  char *image;
  guint64 serial;
  guint64 reserved;     // 0: none
  GHashTable *channels; // name -> GUINT_TO_POINTER (version)
  GHashTable *rollouts; // channel's name -> ChannelRollout *
  GPtrArray *history;   // of ChannelEvent *
  char *expires;        // ISO 8601, UTC
} ChannelRecord;

ChannelRecord *channel_record_new (const char *image);
void channel_record_free (ChannelRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChannelRecord, channel_record_free)

/* The version that CHANNEL names, 0 if none; and that which it names on HOST.  */
guint channel_record_get (const ChannelRecord *record, const char *channel);
guint channel_record_resolve (const ChannelRecord *record, const char *channel, const char *host);

/* The rollout into CHANNEL, NULL if none; and begin one, or let it go on.  */
const ChannelRollout *channel_record_rollout (const ChannelRecord *record, const char *channel);
void channel_record_set_rollout (ChannelRecord *record, const char *channel, guint version,
                                 guint percent);

/* The names of the channels that name VERSION, for some hosts at least, sorted, joined with ", ";
   "" if none.  With the share of the hosts: "production (5 %), test".  */
char *channel_record_names_of (const ChannelRecord *record, guint version);

/* The versions that RECORD names, each once; an array of guint, owned by the caller.  And the
   highest that it names or has named, as far as its history goes; 0 if none.  */
GArray *channel_record_versions (const ChannelRecord *record);
guint channel_record_last_version (const ChannelRecord *record);

/* Whether RECORD's time was over at NOW.  It is used all the same: a desktop that does not start
   helps nobody; but somebody should know.  */
gboolean channel_record_is_expired (const ChannelRecord *record, GDateTime *now);

char *channel_record_to_json (const ChannelRecord *record);
ChannelRecord *channel_record_from_json (const char *text, gsize size, GError **error);
