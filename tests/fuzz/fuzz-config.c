// SPDX-License-Identifier: GPL-2.0-or-later
// A configuration: every value in its range, and an error names the file.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/config.h"
#include "qcow-backing/desktop-limits.h"
#include "qcow-backing/size.h"

#define NAME "gild.conf"

static void
check_retention (const Retention *keep)
{
  g_assert_true ((keep->versions == 0) != (keep->days == 0));
  g_assert_true (keep->versions <= RETENTION_VERSIONS_MAX && keep->days <= RETENTION_DAYS_MAX);
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  static const char *const VIRT_TYPES[] = { "auto", "kvm", "qemu", NULL };
  static const char *const PREFETCH[] = { "always", "night", "never", NULL };
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) error = NULL;

  if (!g_key_file_load_from_data (file, (const char *)data, size, G_KEY_FILE_KEEP_TRANSLATIONS,
                                  NULL))
    return FALSE;
  g_autoptr (Config) config = config_from_key_file (file, NAME, &error);
  if (!fuzz_check_result (config, error))
    {
      g_assert_true (g_str_has_prefix (error->message, NAME ": ["));
      return FALSE;
    }
  g_assert_true (g_path_is_absolute (config->state_dir) && g_path_is_absolute (config->run_dir));
  g_assert_true (config->cache_size_bytes >= MiB && config->cache_size_bytes <= TiB);
  g_assert_cmpuint (config->overlay_bytes, >=, DESKTOP_OVERLAY_MIN);
  g_assert_cmpuint (config->overlay_bytes, <=, DESKTOP_SIZE_MAX);
  g_assert_cmpuint (config->spill_bytes, <=, DESKTOP_SIZE_MAX);
  g_assert_true (g_strv_contains (VIRT_TYPES, config->virt_type));
  check_retention (&config->keep);
  check_retention (&config_image (config, "accounting/desktop")->keep);
  check_retention (&config_image (config, "accounting/other")->keep);
  g_assert_true (g_strv_contains (PREFETCH, config->prefetch));
  g_assert_true (g_hostname_is_ip_address (config->listen_address));
  g_assert_true (config->port >= 1 && config->port <= 65535);
  g_assert_true (config->night.begin < 24 * 60 && config->night.end < 24 * 60);
  config_host_may_have (config, "accounting/desktop", "pc-1");
  return TRUE;
}
