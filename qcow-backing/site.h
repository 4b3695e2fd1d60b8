// SPDX-License-Identifier: GPL-2.0-or-later
// The site: one organisation, its name and UUID, its signing key and its certificate authority.
//
// STATE/site/: site.json { "format": "gild-site-1", "name", "uuid" }, site.pub and site.sec
// (signify), ca.pem and ca-key.pem.  A publisher alone has the keys: site.sec, which root alone may
// read, so that gildd cannot sign, and ca-key.pem, which is gild's.  network/host-identity.h says
// what else is there.
#pragma once

#include <json-glib/json-glib.h>

#include "config.h"
#include "child-identity.h"
#include "signature.h"
#include "site-directory.h"

/* Who runs gildd and owns the store.  */
#define SITE_SERVICE_USER "gild"

typedef struct
{
  char *name;
  char *uuid; // 36 characters
} Site;

gboolean site_name_check (const char *name, GError **error);

/* Make site NAME: directories, keys, CA, and, if MORE is given, what that puts there with DATA.
   Fails, with nothing changed, where there is a site already.  */
gboolean site_init (const Config *config, const char *name, SiteFill more, gpointer data,
                    GError **error);

/* What is in site.json, of which reading looks at name and uuid alone.  */
Site *site_from_json (JsonObject *object, GError **error);
JsonObject *site_to_json (const Site *site);
gboolean site_write (const Site *site, const char *directory, GError **error);

Site *site_load (const Config *config, GError **error);
void site_free (Site *site);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Site, site_free)

PublicKey *site_load_public_key (const Config *config, GError **error);

/* The signing key.  Fails with a sentence for a host that is no publisher.  */
SigningKey *site_load_signing_key (const Config *config, GError **error);

/* Root's children: who reads image files for CONFIG's store, owning nothing of it; and the store's
 * owner.  */
gboolean site_reader_identity (const Config *config, ChildIdentity *identity, GError **error);
gboolean site_owner_identity (const Config *config, ChildIdentity *identity, GError **error);

/* If root: become the owner of the store for good, so that what is written is the store's and what
   goes wrong is not root's.  Everybody else stays who they are.  */
gboolean site_become_store_owner (const Config *config, GError **error);

/* If root: have this thread use files as the owner of the store, or as root again where AS_OWNER is
   FALSE.  For who stays root and has something to do in directories that are the owner's.  */
gboolean site_use_files_as_owner (const Config *config, gboolean as_owner, GError **error);

/* If root: make the owner of the store that of PATH.  */
gboolean site_give_to_owner (const Config *config, const char *path, GError **error);

/* Have FUNC, with DATA, run as the owner of the store: if root, in a child process that becomes it,
   since what is the owner's directory may be a link by now.  Single-threaded programs only.  */
typedef gboolean (*SiteOwnerFunc) (const Config *config, gpointer data, GError **error);
gboolean site_run_as_store_owner (const Config *config, SiteOwnerFunc func, gpointer data,
                                  GError **error);
