// SPDX-License-Identifier: GPL-2.0-or-later
// A host of the site, as other hosts know it.
//
//   { "name": "pc7", "address": "192.0.2.7" or null, "port": 10890, "origin": false,
//     "publisher": false, "seen": seconds ago or null, "versions": [{ "ref":
//     "accounting/desktop@7", "missing": bytes }], "desktops": ["alice"],
//     "running": ["accounting/desktop@7"] }
//
// "address" is numeric; null is who speaks of itself, and does not know how it is seen.  "seen" is
// when an origin, or who tells of it, last heard of it; null is never.  "versions", "desktops" and
// "running", which is what the desktops booted, may be left out.
#pragma once

#include <json-glib/json-glib.h>

#define HOST_VERSIONS_MAX 1000
#define HOST_DESKTOPS_MAX 1000

// A host that was not heard of for so long is asked for chunks as a last resort.
#define HOST_LIVE_SECONDS 45

// Of seen_us: no origin has ever heard of it.
#define HOST_NEVER_SEEN G_MININT64

typedef struct
{
  char *ref;             // IMAGE@VERSION
  guint64 missing_bytes; // of the guest's disk, that the host has yet to fetch; 0: it is complete
} HostVersion;

HostVersion *host_version_new (const char *ref, guint64 missing_bytes);
void host_version_free (HostVersion *version);

/* Never changed once it is made, so references may be used from any thread.  */
typedef struct
{
  gatomicrefcount references;
  char *name;    // as its certificate has it
  char *address; // numeric, IPv4 or IPv6; NULL only of who speaks of itself
  guint port;
  gboolean is_origin, is_publisher;
  gint64 seen_us;      // g_get_monotonic_time, perhaps before the machine started
  GPtrArray *versions; // of HostVersion *, sorted by ref
  char **desktops;     // that run there, sorted
  char **running;      // IMAGE@VERSION that they booted, sorted
} Host;

/* A host with no versions and no desktops yet, never seen; ADDRESS may be NULL.  */
Host *host_new (const char *name, const char *address, guint port);
Host *host_ref (Host *host);
void host_unref (Host *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Host, host_unref)

/* The host with another address, or another time.  */
Host *host_with_address (const Host *host, const char *address, guint port);
Host *host_with_seen (const Host *host, gint64 seen_us);

/* Whether HOST was heard of within HOST_LIVE_SECONDS of NOW_US.  */
gboolean host_is_live (const Host *host, gint64 now_us);

/* Whether HOST has all chunks of some version.  */
gboolean host_has_complete_version (const Host *host);

/* Whether SPEAKER is believed in what it says of host NAME: an origin of all, others of themselves.
 */
gboolean host_may_tell_of (const Host *speaker, const char *name);

/* Whether A and B differ in what is needed for reaching them, or in what they have and run.  */
gboolean host_reached_alike (const Host *a, const Host *b);
gboolean host_holds_alike (const Host *a, const Host *b);

/* HOST as it is now to be told, at NOW_US.  */
JsonObject *host_to_json (const Host *host, gint64 now_us);

/* What host_to_json wrote at NOW_US.  OWN_ADDRESS stands in where "address" is null; NULL if nobody
   may speak of itself here.  Every member is checked.  */
Host *host_from_json (JsonObject *object, const char *own_address, gint64 now_us, GError **error);

/* The "port", "origin", "publisher", "versions", "desktops" and "running" of a heartbeat from host
   NAME at ADDRESS, heard at NOW_US.  */
Host *host_from_heartbeat (const char *name, const char *address, JsonObject *object, gint64 now_us,
                           GError **error);

/* ADDRESS as hosts are told it: an IPv4 address that came through an IPv6 socket is written as
   IPv4.  NULL if it is not a numeric address.  */
char *host_address_normalise (const char *address);
