// SPDX-License-Identifier: GPL-2.0-or-later
// The configuration: one file, one table of keys with their defaults, read once at start.

#include "config.h"

#include <stddef.h>
#include <string.h>

#include <gio/gio.h>

#include "config-key.h"
#include "desktop-limits.h"
#include "fail.h"
#include "image-name.h"
#include "size.h"

#define INSTALLED_CONFIG SYSCONFDIR "/gild/gild.conf"

#define DEPARTMENT_GROUP "department "
#define IMAGE_GROUP      "image "

/* Every key and every default, here alone.  */
static const ConfigKey KEYS[] = {
  { "paths", "state", CONFIG_PATH, offsetof (Config, state_dir), LOCALSTATEDIR "/lib/gild" },
  { "paths", "run", CONFIG_PATH, offsetof (Config, run_dir), "/run/gild" },
  { "nbd", "cache-size", CONFIG_AUTO_SIZE, offsetof (Config, cache_size_bytes), "auto", MiB, TiB,
    32, 64 * MiB, 512 * MiB },
  { "desktop", "overlay", CONFIG_AUTO_SIZE, offsetof (Config, overlay_bytes), "auto",
    DESKTOP_OVERLAY_MIN, DESKTOP_SIZE_MAX, 8, 512 * MiB, 4 * GiB },
  { "desktop", "spill", CONFIG_SIZE, offsetof (Config, spill_bytes), "20GiB", 0, DESKTOP_SIZE_MAX },
  { "desktop", "virt-type", CONFIG_CHOICE, offsetof (Config, virt_type), "auto",
    .choices = "kvm,qemu,auto" },
  { "desktop", "boot-time", CONFIG_COUNT, offsetof (Config, boot_seconds), "600", 5, 7200 },
  { "gc", "keep", CONFIG_RETENTION, offsetof (Config, keep), "5" },
  { "gc", "hosts", CONFIG_DAYS, offsetof (Config, hosts_days), "30d" },
  { "store", "limit", CONFIG_SIZE, offsetof (Config, store_limit_bytes), "0", 0, DESKTOP_SIZE_MAX },
  { "network", "listen", CONFIG_ADDRESS, offsetof (Config, listen_address), "::" },
  { "network", "port", CONFIG_COUNT, offsetof (Config, port), "10890", 1, 65535 },
  { "network", "upload-limit", CONFIG_SIZE, offsetof (Config, upload_limit_bytes), "0", 0, TiB },
  { "fetch", "deadline", CONFIG_COUNT, offsetof (Config, fetch_deadline_seconds), "30", 1, 3600 },
  { "fetch", "prefetch", CONFIG_CHOICE, offsetof (Config, prefetch), "night",
    .choices = "always,night,never" },
  { "fetch", "night", CONFIG_HOURS, offsetof (Config, night), "22:00-06:00" },
  { "fetch", "day-limit", CONFIG_SIZE, offsetof (Config, day_limit_bytes), "0", 0, TiB },
  { "nightly", "scripts", CONFIG_PATH, offsetof (Config, nightly_scripts),
    SYSCONFDIR "/gild/nightly.d" },
  { "nightly", "timeout", CONFIG_COUNT, offsetof (Config, nightly_timeout_seconds), "7200", 1,
    86400 },
  { "nightly", "hosts-wait", CONFIG_COUNT, offsetof (Config, nightly_hosts_wait_seconds), "900", 0,
    86400 },
  { "nightly", "report", CONFIG_WORDS, offsetof (Config, nightly_report), "none" },
};

/* Of [image DEPARTMENT/NAME]; what has no default here has it in KEYS.  */
static const ConfigKey IMAGE_KEYS[] = {
  { IMAGE_GROUP, "keep", CONFIG_RETENTION, offsetof (ConfigImage, keep) },
  { IMAGE_GROUP, "check", CONFIG_WORDS, offsetof (ConfigImage, check) },
  { IMAGE_GROUP, "promote", CONFIG_WORDS, offsetof (ConfigImage, promote) },
};

static const ConfigKey *
find_key (const ConfigKey *keys, gsize count, const char *group, const char *name)
{
  for (gsize i = 0; i < count; i++)
    if (g_str_equal (keys[i].group, group) && g_str_equal (keys[i].name, name))
      return &keys[i];
  return NULL;
}

static gboolean
set_defaults (const ConfigKey *keys, gsize count, gpointer structure, GError **error)
{
  for (gsize i = 0; i < count; i++)
    if (keys[i].default_value
        && !config_key_set (&keys[i], structure, keys[i].default_value, error))
      return FALSE;
  return TRUE;
}

/* Read NAME in GROUP, which is KEY, into STRUCTURE.  */
static gboolean
read_key (const ConfigKey *key, gpointer structure, GKeyFile *file, const char *group,
          const char *name, GError **error)
{
  if (!key)
    return fail (error, "unknown key; gild.conf(5) lists what there is");
  // The value as it stands: no key needs escapes, and gild-services reads none either.
  g_autofree char *text = g_key_file_get_value (file, group, name, error);
  if (text && !g_utf8_validate (text, -1, NULL))
    return fail (error, "the value is not UTF-8");
  return text && config_key_set (key, structure, text, error);
}

/* Read all of GROUP into STRUCTURE; in the table KEYS its name is TABLE_GROUP.  */
static gboolean
read_keys (const ConfigKey *keys, gsize count, const char *table_group, gpointer structure,
           GKeyFile *file, const char *path, const char *group, GError **error)
{
  g_auto (GStrv) names = g_key_file_get_keys (file, group, NULL, error);
  g_autoptr (GError) cause = NULL;

  for (gsize i = 0; names && names[i]; i++)
    if (!read_key (find_key (keys, count, table_group, names[i]), structure, file, group, names[i],
                   &cause))
      return fail (error, "%s: [%s] %s: %s", path, group, names[i], cause->message);
  return names != NULL;
}

static void
department_free (gpointer data)
{
  ConfigDepartment *department = data;

  g_free (department->name);
  g_strfreev (department->hosts);
  g_free (department);
}

static gboolean
read_department (Config *config, GKeyFile *file, const char *path, const char *group,
                 GError **error)
{
  const char *name = group + strlen (DEPARTMENT_GROUP);
  g_autofree char *any_image = g_strdup_printf ("%s/any", name);
  g_auto (GStrv) keys = g_key_file_get_keys (file, group, NULL, NULL);

  if (!image_name_check (any_image, NULL))
    return fail (error, "%s: [%s]: '%s' is not a department's name", path, group, name);
  for (gsize i = 0; keys && keys[i]; i++)
    if (!g_str_equal (keys[i], "hosts"))
      return fail (error, "%s: [%s] %s: unknown key; gild.conf(5) lists what there is", path, group,
                   keys[i]);
  g_autofree char *hosts = g_key_file_get_value (file, group, "hosts", NULL);
  if (!hosts || !g_utf8_validate (hosts, -1, NULL))
    return fail (error, "%s: [%s]: hosts= is missing: write patterns of host names, pc-*;srv1",
                 path, group);
  ConfigDepartment *department = g_new (ConfigDepartment, 1);
  *department = (ConfigDepartment){ g_strdup (name), g_strsplit (hosts, ";", -1) };
  g_ptr_array_add (config->departments, department);
  return TRUE;
}

static void
image_free (gpointer data)
{
  ConfigImage *image = data;

  g_free (image->image);
  g_free (image->check);
  g_free (image->promote);
  g_free (image);
}

/* What an image has that nothing is said of.  */
static ConfigImage *
image_new (const Config *config, const char *name, GError **error)
{
  ConfigImage *image = g_new0 (ConfigImage, 1);

  *image = (ConfigImage){ .image = g_strdup (name), .keep = config->keep };
  if (set_defaults (IMAGE_KEYS, G_N_ELEMENTS (IMAGE_KEYS), image, error))
    return image;
  image_free (image);
  return NULL;
}

static gboolean
read_image (Config *config, GKeyFile *file, const char *path, const char *group, GError **error)
{
  const char *name = group + strlen (IMAGE_GROUP);

  if (!image_name_check (name, NULL))
    return fail (error, "%s: [%s]: '%s' is not an image's name, DEPARTMENT/NAME", path, group,
                 name);
  ConfigImage *image = image_new (config, name, error);
  if (!image)
    return FALSE;
  g_ptr_array_add (config->images, image);
  return read_keys (IMAGE_KEYS, G_N_ELEMENTS (IMAGE_KEYS), IMAGE_GROUP, image, file, path, group,
                    error);
}

static gboolean
read_group (Config *config, GKeyFile *file, const char *path, const char *group, GError **error)
{
  if (g_str_has_prefix (group, DEPARTMENT_GROUP))
    return read_department (config, file, path, group, error);
  return read_keys (KEYS, G_N_ELEMENTS (KEYS), group, config, file, path, group, error);
}

Config *
config_from_key_file (GKeyFile *file, const char *path, GError **error)
{
  g_autoptr (Config) config = g_new0 (Config, 1);
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  config->departments = g_ptr_array_new_with_free_func (department_free);
  config->images = g_ptr_array_new_with_free_func (image_free);
  if (!set_defaults (KEYS, G_N_ELEMENTS (KEYS), config, error))
    return NULL;
  for (gsize i = 0; groups[i]; i++)
    if (!g_str_has_prefix (groups[i], IMAGE_GROUP)
        && !read_group (config, file, path, groups[i], error))
      return NULL;
  // Now that it is known what images have without them.
  for (gsize i = 0; groups[i]; i++)
    if (g_str_has_prefix (groups[i], IMAGE_GROUP)
        && !read_image (config, file, path, groups[i], error))
      return NULL;
  config->any_image = image_new (config, NULL, error);
  return config->any_image ? g_steal_pointer (&config) : NULL;
}

Config *
config_load (const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) cause = NULL;
  const char *chosen = path ? path : g_getenv ("GILD_CONFIG");
  gboolean must_exist = chosen != NULL;

  if (!chosen)
    chosen = INSTALLED_CONFIG;
  if (!g_key_file_load_from_file (file, chosen, G_KEY_FILE_KEEP_TRANSLATIONS, &cause)
      && (must_exist || !g_error_matches (cause, G_FILE_ERROR, G_FILE_ERROR_NOENT)))
    {
      fail (error, "%s: %s", chosen, cause->message);
      return NULL;
    }
  return config_from_key_file (file, chosen, error);
}

void
config_free (Config *config)
{
  if (!config)
    return;
  g_free (config->state_dir);
  g_free (config->run_dir);
  g_free (config->virt_type);
  g_free (config->listen_address);
  g_free (config->prefetch);
  g_free (config->nightly_scripts);
  g_free (config->nightly_report);
  g_ptr_array_unref (config->departments);
  g_ptr_array_unref (config->images);
  g_clear_pointer (&config->any_image, image_free);
  g_free (config);
}

const ConfigImage *
config_image (const Config *config, const char *image)
{
  for (guint i = 0; i < config->images->len; i++)
    if (g_str_equal (((ConfigImage *)config->images->pdata[i])->image, image))
      return config->images->pdata[i];
  return config->any_image;
}

gboolean
config_host_may_have (const Config *config, const char *image, const char *host)
{
  gsize length = strcspn (image, "/");

  for (guint i = 0; i < config->departments->len; i++)
    {
      const ConfigDepartment *department = config->departments->pdata[i];
      if (strlen (department->name) != length || strncmp (department->name, image, length) != 0)
        continue;
      for (gsize j = 0; department->hosts[j]; j++)
        if (g_pattern_match_simple (department->hosts[j], host))
          return TRUE;
      return FALSE;
    }
  return TRUE;
}

gboolean
config_is_night (const Config *config, guint minute)
{
  const ConfigHours *night = &config->night;

  if (night->begin <= night->end)
    return minute >= night->begin && minute < night->end;
  return minute >= night->begin || minute < night->end;
}

static char *
build_path (const char *first, va_list args)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new ();
  const char *part;

  g_ptr_array_add (parts, (gpointer)first);
  while ((part = va_arg (args, const char *)))
    g_ptr_array_add (parts, (gpointer)part);
  g_ptr_array_add (parts, NULL);
  return g_build_filenamev ((char **)parts->pdata);
}

char *
config_state_path (const Config *config, ...)
{
  va_list args;
  va_start (args, config);
  char *path = build_path (config->state_dir, args);
  va_end (args);
  return path;
}

char *
config_run_path (const Config *config, ...)
{
  va_list args;
  va_start (args, config);
  char *path = build_path (config->run_dir, args);
  va_end (args);
  return path;
}
