// SPDX-License-Identifier: GPL-2.0-or-later
// The directory of a site, STATE/site: there complete, or not at all.
//
// It is root's.  Its group is the user gild's, which may add files and replace its own there, and,
// by the sticky bit, no other: gildd keeps what it heard of the site beside the keys, and cannot
// change those.
#pragma once

#include "config.h"

/* Put all that a site consists of into DIRECTORY.  */
typedef gboolean (*SiteFill) (const Config *config, const char *directory, gpointer data,
                              GError **error);

/* Make the site that FILL fills, and the other directories of the state.  Fails, with nothing
   changed, where there is a site already.  */
gboolean site_directory_create (const Config *config, SiteFill fill, gpointer data, GError **error);

/* Let the user gild add files to the site in DIRECTORY.  */
gboolean site_directory_open_to_service (const Config *config, const char *directory,
                                         GError **error);

/* Make what only a publisher's site has in DIRECTORY: the user gild's directories hosts and
   invitations, and the CA's key, which is there, become gild's.  */
gboolean site_directory_make_publisher (const Config *config, const char *directory,
                                        GError **error);
