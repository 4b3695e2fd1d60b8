// SPDX-License-Identifier: GPL-2.0-or-later
// Names of images, versions, channels and desktops, and what may be in them.

#include "image-name.h"

#include <string.h>

#include "fail.h"

#define LOWER_FIRST   G_CSET_a_2_z G_CSET_DIGITS
#define LOWER_REST    LOWER_FIRST "._-"
#define DESKTOP_FIRST G_CSET_A_2_Z LOWER_FIRST
#define DESKTOP_REST  DESKTOP_FIRST "._-"

/* Whether the LENGTH bytes at TEXT start with one of FIRST, go on with REST, and are at most MAX.
 */
static gboolean
is_word (const char *text, gsize length, const char *first, const char *rest, gsize max)
{
  return length >= 1 && length <= max && strchr (first, text[0]) && strspn (text, rest) >= length;
}

gboolean
image_name_check (const char *text, GError **error)
{
  const char *slash = strchr (text, '/');

  if (slash && is_word (text, (gsize)(slash - text), LOWER_FIRST, LOWER_REST, 63)
      && is_word (slash + 1, strlen (slash + 1), LOWER_FIRST, LOWER_REST, 63))
    return TRUE;
  return fail (
      error,
      "'%.200s' is not an image: write DEPARTMENT/NAME, each of up to 63 lower-case letters, digits, '.', '_' and '-' and starting with a letter or digit",
      text);
}

gboolean
version_parse (const char *text, guint *version, GError **error)
{
  guint64 number;

  if (text[0] >= '1' && text[0] <= '9'
      && g_ascii_string_to_unsigned (text, 10, 1, VERSION_MAX, &number, NULL))
    {
      *version = (guint)number;
      return TRUE;
    }
  return fail (error, "'%.200s' is not a version: write a number from 1 to %u", text, VERSION_MAX);
}

gboolean
image_ref_parse (const char *text, char **image, guint *version, GError **error)
{
  const char *at = strchr (text, '@');
  g_autofree char *name = at ? g_strndup (text, (gsize)(at - text)) : g_strdup (text);
  guint number = 0;

  if (!image_name_check (name, error) || (at && !version_parse (at + 1, &number, error)))
    return FALSE;
  *image = g_steal_pointer (&name);
  *version = number;
  return TRUE;
}

gboolean
channel_name_check (const char *text, GError **error)
{
  if (is_word (text, strlen (text), G_CSET_a_2_z, LOWER_FIRST "-", 32))
    return TRUE;
  return fail (
      error,
      "'%.200s' is not a channel: write up to 32 lower-case letters, digits and '-', a letter first",
      text);
}

gboolean
desktop_name_check (const char *text, GError **error)
{
  if (g_str_has_suffix (text, ".json"))
    return fail (error, "'%.200s' cannot name a desktop: it ends in .json, as its pin's file would",
                 text);
  if (is_word (text, strlen (text), DESKTOP_FIRST, DESKTOP_REST, 63))
    return TRUE;
  return fail (
      error,
      "'%.200s' cannot name a desktop: write up to 63 letters, digits, '.', '_' and '-', a letter or digit first",
      text);
}

gboolean
disk_target_check (const char *text, GError **error)
{
  if (is_word (text, strlen (text), G_CSET_a_2_z, LOWER_FIRST, 15))
    return TRUE;
  return fail (error, "'%.50s' is not a disk's target: write it as in <target dev='vda'/>", text);
}
