// SPDX-License-Identifier: GPL-2.0-or-later
// The configuration: one file, one table of keys with their defaults, read once at start.

#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>

#include "desktop-limits.h"
#include "fail.h"
#include "image-name.h"
#include "size.h"

#define INSTALLED_CONFIG SYSCONFDIR "/gild/gild.conf"

#define DEPARTMENT_GROUP "department "

typedef enum
{
  KEY_PATH,      // char *, absolute
  KEY_SIZE,      // guint64, bytes
  KEY_AUTO_SIZE, // the same, or "auto": a part of the RAM
  KEY_COUNT,     // guint
  KEY_CHOICE,    // char *, one of several words
  KEY_ADDRESS,   // char *, an IP address
  KEY_HOURS,     // ConfigHours
} KeyType;

/* Every key and every default, here alone.  */
static const struct
{
  const char *group, *name;
  KeyType type;
  gsize offset;
  const char *default_value;
  guint64 min, max;                      // of sizes and counts
  guint64 auto_part, auto_min, auto_max; // "auto" is this part of the RAM, within these
  const char *choices;                   // separated by commas
} KEYS[] = {
  { "paths", "state", KEY_PATH, offsetof (Config, state_dir), LOCALSTATEDIR "/lib/gild" },
  { "paths", "run", KEY_PATH, offsetof (Config, run_dir), "/run/gild" },
  { "nbd", "cache-size", KEY_AUTO_SIZE, offsetof (Config, cache_size_bytes), "auto", MiB, TiB, 32,
    64 * MiB, 512 * MiB },
  { "desktop", "overlay", KEY_AUTO_SIZE, offsetof (Config, overlay_bytes), "auto",
    DESKTOP_OVERLAY_MIN, DESKTOP_SIZE_MAX, 8, 512 * MiB, 4 * GiB },
  { "desktop", "spill", KEY_SIZE, offsetof (Config, spill_bytes), "20GiB", 0, DESKTOP_SIZE_MAX },
  { "desktop", "virt-type", KEY_CHOICE, offsetof (Config, virt_type), "auto",
    .choices = "kvm,qemu,auto" },
  { "gc", "keep", KEY_COUNT, offsetof (Config, keep_versions), "5", 1, 1000000 },
  { "store", "limit", KEY_SIZE, offsetof (Config, store_limit_bytes), "0", 0, DESKTOP_SIZE_MAX },
  { "network", "listen", KEY_ADDRESS, offsetof (Config, listen_address), "::" },
  { "network", "port", KEY_COUNT, offsetof (Config, port), "10890", 1, 65535 },
  { "network", "upload-limit", KEY_SIZE, offsetof (Config, upload_limit_bytes), "0", 0, TiB },
  { "fetch", "deadline", KEY_COUNT, offsetof (Config, fetch_deadline_seconds), "30", 1, 3600 },
  { "fetch", "prefetch", KEY_CHOICE, offsetof (Config, prefetch), "night",
    .choices = "always,night,never" },
  { "fetch", "night", KEY_HOURS, offsetof (Config, night), "22:00-06:00" },
  { "fetch", "day-limit", KEY_SIZE, offsetof (Config, day_limit_bytes), "0", 0, TiB },
};

static guint64
ram_bytes (void)
{
  return (guint64)sysconf (_SC_PHYS_PAGES) * (guint64)sysconf (_SC_PAGESIZE);
}

static gboolean
read_size (gsize key, const char *text, guint64 *bytes, GError **error)
{
  guint64 value;

  if (!size_parse (text, &value, error))
    return FALSE;
  if (value < KEYS[key].min || value > KEYS[key].max)
    {
      g_autofree char *min = size_format (KEYS[key].min), *max = size_format (KEYS[key].max);
      return fail (error, "%s is out of range: write a size from %s to %s", text, min, max);
    }
  *bytes = value;
  return TRUE;
}

static gboolean
read_count (gsize key, const char *text, guint *count, GError **error)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (text, 10, KEYS[key].min, KEYS[key].max, &value, NULL))
    return fail (error, "'%s' is out of range: write a number from %u to %u", text,
                 (guint)KEYS[key].min, (guint)KEYS[key].max);
  *count = (guint)value;
  return TRUE;
}

static gboolean
set_choice (gsize key, const char *text, char **choice, GError **error)
{
  g_auto (GStrv) choices = g_strsplit (KEYS[key].choices, ",", -1);
  g_autofree char *list = g_strjoinv (", ", choices);

  if (!g_strv_contains ((const char *const *)choices, text))
    return fail (error, "'%s' is not one of: %s", text, list);
  g_free (*choice);
  *choice = g_strdup (text);
  return TRUE;
}

static gboolean
set_address (const char *text, char **address, GError **error)
{
  if (!g_hostname_is_ip_address (text))
    return fail (error, "'%s' is not an IP address", text);
  g_free (*address);
  *address = g_strdup (text);
  return TRUE;
}

static gboolean
read_hours (const char *text, ConfigHours *hours, GError **error)
{
  guint h1, m1, h2, m2;

  if (strlen (text) != strlen ("HH:MM-HH:MM") || strspn (text, "0123456789:-") != strlen (text)
      || sscanf (text, "%2u:%2u-%2u:%2u", &h1, &m1, &h2, &m2) != 4 || h1 > 23 || h2 > 23 || m1 > 59
      || m2 > 59)
    return fail (error, "'%s' is not a time of the day: write it as 22:00-06:00", text);
  *hours = (ConfigHours){ h1 * 60 + m1, h2 * 60 + m2 };
  return TRUE;
}

static gboolean
set_value (Config *config, gsize key, const char *text, GError **error)
{
  gpointer field = G_STRUCT_MEMBER_P (config, KEYS[key].offset);

  switch (KEYS[key].type)
    {
    case KEY_PATH:
      if (!g_path_is_absolute (text))
        return fail (error, "'%s' is not an absolute path", text);
      g_free (*(char **)field);
      *(char **)field = g_strdup (text);
      return TRUE;
    case KEY_AUTO_SIZE:
      if (!g_str_equal (text, "auto"))
        return read_size (key, text, field, error);
      *(guint64 *)field =
          CLAMP (ram_bytes () / KEYS[key].auto_part, KEYS[key].auto_min, KEYS[key].auto_max);
      return TRUE;
    case KEY_SIZE:
      return read_size (key, text, field, error);
    case KEY_COUNT:
      return read_count (key, text, field, error);
    case KEY_CHOICE:
      return set_choice (key, text, field, error);
    case KEY_ADDRESS:
      return set_address (text, field, error);
    case KEY_HOURS:
      return read_hours (text, field, error);
    }
  g_return_val_if_reached (FALSE);
}

static gssize
find_key (const char *group, const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (KEYS); i++)
    if (g_str_equal (KEYS[i].group, group) && g_str_equal (KEYS[i].name, name))
      return (gssize)i;
  return -1;
}

static gboolean
read_key (Config *config, GKeyFile *file, const char *group, const char *name, GError **error)
{
  gssize key = find_key (group, name);

  if (key < 0)
    return fail (error, "unknown key; gild.conf(5) lists what there is");
  // The value as it stands: no key needs escapes, and gild-services reads none either.
  g_autofree char *text = g_key_file_get_value (file, group, name, error);
  if (text && !g_utf8_validate (text, -1, NULL))
    return fail (error, "the value is not UTF-8");
  return text && set_value (config, (gsize)key, text, error);
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

static gboolean
read_group (Config *config, GKeyFile *file, const char *path, const char *group, GError **error)
{
  g_auto (GStrv) names = g_key_file_get_keys (file, group, NULL, error);
  g_autoptr (GError) cause = NULL;

  if (g_str_has_prefix (group, DEPARTMENT_GROUP))
    return read_department (config, file, path, group, error);
  for (gsize i = 0; names && names[i]; i++)
    if (!read_key (config, file, group, names[i], &cause))
      return fail (error, "%s: [%s] %s: %s", path, group, names[i], cause->message);
  return names != NULL;
}

Config *
config_from_key_file (GKeyFile *file, const char *path, GError **error)
{
  g_autoptr (Config) config = g_new0 (Config, 1);
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  config->departments = g_ptr_array_new_with_free_func (department_free);
  for (gsize i = 0; i < G_N_ELEMENTS (KEYS); i++)
    if (!set_value (config, i, KEYS[i].default_value, error))
      return NULL;
  for (gsize i = 0; groups[i]; i++)
    if (!read_group (config, file, path, groups[i], error))
      return NULL;
  return g_steal_pointer (&config);
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
  g_ptr_array_unref (config->departments);
  g_free (config);
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
