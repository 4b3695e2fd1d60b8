// SPDX-License-Identifier: GPL-2.0-or-later
// The configuration: one file, one table of keys with their defaults, read once at start.
//
// The file is a GKeyFile (/etc/gild/gild.conf).  No file means the defaults; an unknown group or
// key or a bad value is an error that names file, group and key.  gild.conf(5) describes the keys.
#pragma once

#include <glib.h>

typedef struct
{
  char *state_dir;          // [paths] state: store, images, site; absolute
  char *run_dir;            // [paths] run: sockets, pins, overlays; absolute
  guint64 cache_size_bytes; // [nbd] cache-size: decompressed chunks that nbdkit keeps
  guint64 overlay_bytes;    // [desktop] overlay: cap of one desktop's RAM overlay
  guint64 spill_bytes;      // [desktop] spill: most that a desktop may spill to disk
  char *virt_type;          // [desktop] virt-type: "kvm", "qemu", or "auto": kvm where it works
  guint keep_versions;      // [gc] keep: versions of each image that gc leaves
} Config;

/* Read the configuration from PATH, or with NULL from $GILD_CONFIG, or else from the installed
   place, which alone need not exist.  */
Config *config_load (const char *path, GError **error);

/* The configuration that FILE makes of the defaults.  An error names it PATH.  */
Config *config_from_key_file (GKeyFile *file, const char *path, GError **error);
void config_free (Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Config, config_free)

/* Paths below the configured directories, owned by the caller.  PARTS end with NULL.  */
char *config_state_path (const Config *config, ...) G_GNUC_NULL_TERMINATED;
char *config_run_path (const Config *config, ...) G_GNUC_NULL_TERMINATED;
