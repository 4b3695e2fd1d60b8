// SPDX-License-Identifier: GPL-2.0-or-later
// The configuration: one file, one table of keys with their defaults, read once at start.
//
// The file is a GKeyFile (/etc/gild/gild.conf).  No file means the defaults; an unknown group or
// key or a bad value is an error that names file, group and key.  gild.conf(5) describes the keys.
#pragma once

#include "config-key.h"
#include "retention.h"

/* [department NAME]: which hosts may have its images.  */
typedef struct
{
  char *name;
  char **hosts; // patterns of their names, with * and ?
} ConfigDepartment;

/* [image DEPARTMENT/NAME]: what holds for one image, here or in the groups for all.  */
typedef struct
{
  char *image;    // NULL: any that has no group of its own
  Retention keep; // keep: versions that gc leaves; else that of [gc]
  char *check;    // check: options of gild check at night; NULL: none; "no": no check
  char *promote;  // promote: options of gild promote at night; NULL: none
} ConfigImage;

typedef struct
{
  char *state_dir;              // [paths] state: store, images, site; absolute
  char *run_dir;                // [paths] run: sockets, pins, overlays; absolute
  guint64 cache_size_bytes;     // [nbd] cache-size: decompressed chunks that nbdkit keeps
  guint64 overlay_bytes;        // [desktop] overlay: cap of one desktop's RAM overlay
  guint64 spill_bytes;          // [desktop] spill: most that a desktop may spill to disk
  guint boot_seconds;           // [desktop] boot-time: in which a desktop comes up
  char *virt_type;              // [desktop] virt-type: "kvm", "qemu", or "auto": kvm where it works
  Retention keep;               // [gc] keep: versions of each image that gc leaves
  guint hosts_days;             // [gc] hosts: what a silent host ran stays for so long
  guint64 store_limit_bytes;    // [store] limit: of a host that is no origin; 0: none
  char *listen_address;         // [network] listen: an IP address
  guint port;                   // [network] port
  guint64 upload_limit_bytes;   // [network] upload-limit: a second, to all together; 0: none
  guint fetch_deadline_seconds; // [fetch] deadline: that a read waits for a chunk
  char *prefetch;               // [fetch] prefetch: "always", "night" or "never"
  ConfigHours night;            // [fetch] night
  guint64 day_limit_bytes;      // [fetch] day-limit: a second, for prefetch by day; 0: none
  char *nightly_scripts;        // [nightly] scripts: a directory; absolute
  guint nightly_timeout_seconds;    // [nightly] timeout: of a script
  guint nightly_hosts_wait_seconds; // [nightly] hosts-wait: for the other hosts to have it
  char *nightly_report;             // [nightly] report: a command; NULL: none
  GPtrArray *departments;           // of ConfigDepartment
  GPtrArray *images;                // of ConfigImage
  ConfigImage *any_image;
} Config;

/* Read the configuration from PATH, or with NULL from $GILD_CONFIG, or else from the installed
   place, which alone need not exist.  */
Config *config_load (const char *path, GError **error);

/* The configuration that FILE makes of the defaults.  An error names it PATH.  */
Config *config_from_key_file (GKeyFile *file, const char *path, GError **error);
void config_free (Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Config, config_free)

/* What holds for IMAGE, whether it has a group or not; belongs to CONFIG.  */
const ConfigImage *config_image (const Config *config, const char *image);

/* Whether HOST may have IMAGE: where its department is not configured, every host may.  */
gboolean config_host_may_have (const Config *config, const char *image, const char *host);

/* Whether MINUTE, after midnight in local time, is in the configured night.  */
gboolean config_is_night (const Config *config, guint minute);

/* Paths below the configured directories, owned by the caller.  PARTS end with NULL.  */
char *config_state_path (const Config *config, ...) G_GNUC_NULL_TERMINATED;
char *config_run_path (const Config *config, ...) G_GNUC_NULL_TERMINATED;
