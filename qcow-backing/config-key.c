// SPDX-License-Identifier: GPL-2.0-or-later
// A key of the configuration: what its value may be, and the field that it fills.

#include "config-key.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>

#include "fail.h"
#include "retention.h"
#include "size.h"

static guint64
ram_bytes (void)
{
  return (guint64)sysconf (_SC_PHYS_PAGES) * (guint64)sysconf (_SC_PAGESIZE);
}

static gboolean
read_size (const ConfigKey *key, const char *text, guint64 *bytes, GError **error)
{
  guint64 value;

  if (!size_parse (text, &value, error))
    return FALSE;
  if (value < key->min || value > key->max)
    {
      g_autofree char *min = size_format (key->min), *max = size_format (key->max);
      return fail (error, "%s is out of range: write a size from %s to %s", text, min, max);
    }
  *bytes = value;
  return TRUE;
}

static gboolean
read_count (const ConfigKey *key, const char *text, guint *count, GError **error)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (text, 10, key->min, key->max, &value, NULL))
    return fail (error, "'%s' is out of range: write a number from %u to %u", text, (guint)key->min,
                 (guint)key->max);
  *count = (guint)value;
  return TRUE;
}

static gboolean
set_choice (const ConfigKey *key, const char *text, char **choice, GError **error)
{
  g_auto (GStrv) choices = g_strsplit (key->choices, ",", -1);
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
read_days (const char *text, guint *days, GError **error)
{
  Retention retention;

  if (!g_str_has_suffix (text, "d") || !retention_parse (text, &retention, NULL))
    return fail (error, "'%s' is not a number of days: write it as 30d, from 1d to %ud", text,
                 RETENTION_DAYS_MAX);
  *days = retention.days;
  return TRUE;
}

static gboolean
set_words (const char *text, char **words, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (!g_shell_parse_argv (text, NULL, NULL, &cause))
    return fail (error, "'%s' is not a line of words: %s", text, cause->message);
  g_free (*words);
  *words = g_str_equal (text, "none") ? NULL : g_strdup (text);
  return TRUE;
}

gboolean
config_key_set (const ConfigKey *key, gpointer structure, const char *text, GError **error)
{
  gpointer field = G_STRUCT_MEMBER_P (structure, key->offset);

  switch (key->type)
    {
    case CONFIG_PATH:
      if (!g_path_is_absolute (text))
        return fail (error, "'%s' is not an absolute path", text);
      g_free (*(char **)field);
      *(char **)field = g_strdup (text);
      return TRUE;
    case CONFIG_AUTO_SIZE:
      if (!g_str_equal (text, "auto"))
        return read_size (key, text, field, error);
      *(guint64 *)field = CLAMP (ram_bytes () / key->auto_part, key->auto_min, key->auto_max);
      return TRUE;
    case CONFIG_SIZE:
      return read_size (key, text, field, error);
    case CONFIG_COUNT:
      return read_count (key, text, field, error);
    case CONFIG_CHOICE:
      return set_choice (key, text, field, error);
    case CONFIG_ADDRESS:
      return set_address (text, field, error);
    case CONFIG_HOURS:
      return read_hours (text, field, error);
    case CONFIG_RETENTION:
      return retention_parse (text, field, error);
    case CONFIG_DAYS:
      return read_days (text, field, error);
    case CONFIG_WORDS:
      return set_words (text, field, error);
    }
  g_return_val_if_reached (FALSE);
}
