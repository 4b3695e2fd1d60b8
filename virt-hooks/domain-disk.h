// SPDX-License-Identifier: GPL-2.0-or-later
// The <disk> elements of a domain, and what one must be to hold an overlay.
#pragma once

#include <glib.h>
#include <libxml/tree.h>

/* RUN_DIR/desktops/NAME/TARGET.qcow2, owned by the caller.  */
char *domain_disk_overlay_path (const char *run_dir, const char *name, const char *target);

/* The <disk> of DEVICES (which may be NULL) that has TARGET, or NULL.  */
xmlNode *domain_disk_find (const xmlNode *devices, const char *target);

/* The target of DISK, owned by the caller; "" where it has none.  */
char *domain_disk_target (const xmlNode *disk);

/* Whether DISK's source lies below RUN_DIR/desktops.  */
gboolean domain_disk_is_overlay (const xmlNode *disk, const char *run_dir);

/* Whether DISK (NULL: there is none) is the overlay TARGET of the desktop NAME, attached such that
   the guest gets that overlay over its image, or does not start.  An error says what to write.  */
gboolean domain_disk_check (const xmlNode *disk, const char *run_dir, const char *name,
                            const char *target, GError **error);
