// SPDX-License-Identifier: GPL-2.0-or-later
// Where a host of the site may be by now, as multicast DNS has it: a hint, and nothing more.

#include "lan-hint.h"

#include <gio/gio.h>
#include <string.h>

#define ADDRESSES_MAX 16

/* The fields of a line that begins with "=", separated by semicolons.  avahi-browse writes a
   semicolon that is part of a field as \059.  */
enum
{
  FIELD_KIND,
  FIELD_INTERFACE,
  FIELD_PROTOCOL,
  FIELD_NAME,
  FIELD_TYPE,
  FIELD_DOMAIN,
  FIELD_HOST,
  FIELD_ADDRESS,
  FIELD_PORT,
  N_FIELDS,
};

/* An address that is good on one interface only cannot be told from another's.  */
static gboolean
is_usable (const char *address)
{
  g_autoptr (GInetAddress) inet = g_inet_address_new_from_string (address);

  return inet && !g_inet_address_get_is_link_local (inet) && !g_inet_address_get_is_any (inet)
         && !g_inet_address_get_is_multicast (inet) && !g_inet_address_get_is_loopback (inet);
}

GPtrArray *
lan_hint_parse (const char *text, const char *name)
{
  GPtrArray *addresses = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (gsize i = 0; lines[i]; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], ";", -1);
      const char *address;
      if (g_strv_length (fields) < N_FIELDS || !g_str_equal (fields[FIELD_KIND], "=")
          || g_ascii_strcasecmp (fields[FIELD_NAME], name) != 0)
        continue;
      address = fields[FIELD_ADDRESS];
      if (is_usable (address) && addresses->len < ADDRESSES_MAX
          && !g_ptr_array_find_with_equal_func (addresses, address, g_str_equal, NULL))
        g_ptr_array_insert (addresses, 0, g_strdup (address));
    }
  return addresses;
}

GPtrArray *
lan_hint_find (const char *name)
{
  const char *const argv[] = { "timeout",   "5",           "avahi-browse", "--parsable",
                               "--resolve", "--terminate", "_gild._tcp",   NULL };
  g_autofree char *text = NULL;
  g_autofree char *program = g_find_program_in_path ("avahi-browse");

  if (!program
      || !g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL,
                        NULL, NULL, &text, NULL, NULL, NULL))
    return g_ptr_array_new_with_free_func (g_free);
  return lan_hint_parse (text, name);
}
