// SPDX-License-Identifier: GPL-2.0-or-later
// The directory RUN/desktops/NAME: a tmpfs that holds a desktop's overlays while it runs.
//
// RUN/desktops belongs to the user gild, whom root does not trust: everything is reached by name
// from an open directory, no symbolic link is followed, and what was mounted is looked at before
// anything is written.
#pragma once

#include <glib.h>

typedef struct OverlayMount OverlayMount;

/* Open RUN_DIR/desktops.  -1 on error, G_IO_ERROR_NOT_FOUND where it is missing.  */
int overlay_mount_open_desktops (const char *run_dir, GError **error);

/* The place of the desktop NAME in RUN_DIR; nothing needs to be there yet.  G_IO_ERROR_NOT_FOUND
   where RUN_DIR/desktops is missing.  */
OverlayMount *overlay_mount_open (const char *run_dir, const char *name, GError **error);
void overlay_mount_free (OverlayMount *mount); // unmounts nothing
G_DEFINE_AUTOPTR_CLEANUP_FUNC (OverlayMount, overlay_mount_free)

/* Whether the desktop has a directory or a pin.  */
gboolean overlay_mount_has_leftovers (const OverlayMount *mount);

/* Open the directory, if it is a tmpfs of root's that is mounted there.  -1 if it is anything
   else.  */
int overlay_mount_open_overlays (const OverlayMount *mount);

/* Whether somebody has overlays in it open.  */
gboolean overlay_mount_is_held (const OverlayMount *mount);

/* Mount a tmpfs of at most CAP_BYTES, in place of what a crash may have left, and make its root the
   working directory.  It is owned by root, and nobody else may write to it or list it.  On failure
   nothing is left behind.  */
gboolean overlay_mount_make (OverlayMount *mount, guint64 cap_bytes, GError **error);

/* Remove what overlay_mount_make made: the files, so that their memory is free whoever still holds
   the mount; all mounts there are; the directory, or what else has its name.  Nothing being there
   is success.  Changes the working directory.  */
gboolean overlay_mount_remove (OverlayMount *mount, GError **error);

/* Remove the desktop's pin, which is gildd's to do where it runs.  None being there is success.  */
gboolean overlay_mount_remove_pin (const OverlayMount *mount, GError **error);
