// SPDX-License-Identifier: GPL-2.0-or-later
// The hosts of the site that this one knows: from what origins answer to its heartbeats, and on an
// origin from what others' heartbeats say.
//
// STATE/site/hosts.json keeps them, so that a PC that starts knows whom to ask:
//
//   { "format": "gild-hosts-1", "written": ISO 8601 in UTC, "hosts": [as in host.h] }
//
// The file and the answer to a heartbeat have the same form; an answer also has its other members,
// see heartbeat.h.
#pragma once

#include "host.h"

#define HOST_LIST_FORMAT "gild-hosts-1"
#define HOSTS_MAX        4096

typedef struct HostList HostList;

/* The hosts in the file at PATH, none where it is missing.  OWN_NAME is this host, which is never
   in the list.  A file that cannot be read is passed over and said in the log: origins tell all of
   it again.  Safe to use from several threads.  */
HostList *host_list_new (const char *path, const char *own_name);
void host_list_free (HostList *list);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HostList, host_list_free)

/* All hosts but this one, sorted by name; an array of Host *, with references of its own.  Every
   one has an address.  */
GPtrArray *host_list_get (HostList *list);

/* One of them; NULL where there is none of that name.  */
Host *host_list_find (HostList *list, const char *name);

/* Two counters that grow with the list: one when a host comes, goes, is live or is no more, or can
   be reached elsewhere; the other when one has or runs something else.  */
typedef struct
{
  guint64 reach, holdings;
} HostListGeneration;
HostListGeneration host_list_generation (HostList *list);

/* Whether another host of the list keeps whole images.  */
gboolean host_list_has_origin (HostList *list);

/* Put HOST into the list in place of the one of its name, unless that is heard of more lately.
   FALSE if the list is full.  */
gboolean host_list_put (HostList *list, Host *host);

/* Take over ANSWER, which SPEAKER gave to a heartbeat just now, where it may tell of it.  What it
   says of itself is at the address where SPEAKER was asked.  Of a publisher's answer those go that
   it does not name, those that live when they do no more.  On failure nothing is taken over.  */
gboolean host_list_merge (HostList *list, const Host *speaker, JsonObject *answer, GError **error);

/* The hosts NAMES, which end with NULL, were heard of just now; who is not in the list is passed
   over.  */
void host_list_touch (HostList *list, const char *const *names);

/* Forget host NAME, which was removed from the site.  What others still say of it is passed over,
   until host_list_put has it again.  */
void host_list_remove (HostList *list, const char *name);

/* { "format", "written", "hosts" }; with OWN, which is this host and may be NULL, among them.  */
JsonObject *host_list_to_json (HostList *list, const Host *own);

/* Write the file, if the list's generation is another, or after HOST_LIST_SAVE_SECONDS, so that it
   knows about when hosts were heard of.  Called from one thread at a time.  */
#define HOST_LIST_SAVE_SECONDS 3600
gboolean host_list_save (HostList *list, GError **error);
