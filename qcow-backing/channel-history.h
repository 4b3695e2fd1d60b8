// SPDX-License-Identifier: GPL-2.0-or-later
// What has become of an image's channels: who made which name which version, and why.
//
// An array in the channel record, the newest last:
//
//   { "serial": 12, "channel": "production", "version": 7, "from": 6 or null, "action": "promote",
//     "at": "2026-11-20T02:00:00Z", "by": "alice@srv", "note": "…" }
//
// "serial" is the record's that said so first, "from" what the channel named before.  Dates are for
// people: the order is that of the serials.
#pragma once

#include <json-glib/json-glib.h>

#define CHANNEL_HISTORY_MAX 200 // entries; the oldest go

/* What is done to a channel.  Other words may come.  */
#define CHANNEL_PUBLISH  "publish"
#define CHANNEL_EDIT     "edit"
#define CHANNEL_CAPTURE  "capture"
#define CHANNEL_PROMOTE  "promote"
#define CHANNEL_ROLLBACK "rollback"
#define CHANNEL_STAGE    "stage" // of a rollout, which goes on
#define CHANNEL_BACK     "back"  // a rollout went back by itself
#define CHANNEL_STOP     "stop"  // or by command

typedef struct
{
  guint64 serial;
  char *channel;
  guint version;
  guint from;   // 0: it named none
  char *action; // a word, as a channel's name is one
  char *at;     // ISO 8601, UTC
  char *by;     // USER@HOST
  char *note;   // "" where there is none
} ChannelEvent;

/* An empty history, of ChannelEvent *.  */
GPtrArray *channel_history_new (void);

/* Add a copy of EVENT.  */
void channel_history_add (GPtrArray *history, const ChannelEvent *event);

/* The version that CHANNEL named before it came to name VERSION, other than by going back; so that
   going back twice goes two steps.  0: not known.  */
guint channel_history_before (const GPtrArray *history, const char *channel, guint version);

JsonArray *channel_history_to_json (const GPtrArray *history);
GPtrArray *channel_history_from_json (JsonArray *array, GError **error);
