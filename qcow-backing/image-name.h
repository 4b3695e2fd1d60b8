// SPDX-License-Identifier: GPL-2.0-or-later
// Names of images, versions, channels and desktops, and what may be in them.
#pragma once

#include <glib.h>

#define VERSION_MAX 999999999u

/* Whether TEXT is DEPARTMENT/NAME with both parts matching [a-z0-9][a-z0-9._-]{0,62}.  */
gboolean image_name_check (const char *text, GError **error);

/* Split TEXT, "DEPARTMENT/NAME" or "DEPARTMENT/NAME@VERSION", into *IMAGE (owned by the caller) and
   the number *VERSION, 0 where none is given.  VERSION is decimal, from 1 to VERSION_MAX, without
   leading zeros.  */
gboolean image_ref_parse (const char *text, char **image, guint *version, GError **error);

/* Read a version's number, as image_ref_parse does.  */
gboolean version_parse (const char *text, guint *version, GError **error);

/* Whether TEXT can name a channel: [a-z][a-z0-9-]{0,31}.  */
gboolean channel_name_check (const char *text, GError **error);

/* Whether TEXT can name a desktop, which is a libvirt domain, a directory and a host name:
   [A-Za-z0-9][A-Za-z0-9._-]{0,62}, not ending in ".json" as its pin does.  */
gboolean desktop_name_check (const char *text, GError **error);

/* Whether TEXT can be a disk's target, as in <target dev='vda'/>: [a-z][a-z0-9]{0,14}.  */
gboolean disk_target_check (const char *text, GError **error);
