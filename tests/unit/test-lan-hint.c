// SPDX-License-Identifier: GPL-2.0-or-later
// What is taken from what avahi-browse prints, which anybody on the LAN may have made up.
#include <glib.h>

#include "network/lan-hint.h"

static char *
parse (const char *text)
{
  g_autoptr (GPtrArray) addresses = lan_hint_parse (text, "pc-1");

  g_ptr_array_add (addresses, NULL);
  return g_strjoinv (" ", (char **)addresses->pdata);
}

static void
test_parse (void)
{
  static const struct
  {
    const char *text, *addresses;
  } CASES[] = {
    { "", "" },
    { "=", "" },
    { "=;eth0;IPv4;pc-1;_gild._tcp;local;pc-1.local;10.0.0.7", "" },
    { "+;eth0;IPv4;pc-1;_gild._tcp;local\n", "" },
    { "=;eth0;IPv4;pc-1;_gild._tcp;local;pc-1.local;10.0.0.7;10890;\"\"\n", "10.0.0.7" },
    { "=;eth0;IPv4;PC-1;_gild._tcp;local;pc-1.local;10.0.0.7;10890;\n", "10.0.0.7" },
    { "=;eth0;IPv4;pc-2;_gild._tcp;local;pc-2.local;10.0.0.8;10890;\n", "" },
    { "=;eth0;IPv4;pc-1;_gild._tcp;local;pc-1.local;evil.example;10890;\n", "" },
    { "=;eth0;IPv4;pc-1;_gild._tcp;local;pc-1.local;127.0.0.1;10890;\n", "" },
    { "=;eth0;IPv6;pc-1;_gild._tcp;local;pc-1.local;fe80::1;10890;\n", "" },
    { "=;eth0;IPv6;pc-1;_gild._tcp;local;pc-1.local;fd00::1;10890;\n"
      "=;eth0;IPv4;pc-1;_gild._tcp;local;pc-1.local;10.0.0.7;10890;\n"
      "=;eth0;IPv6;pc-1;_gild._tcp;local;pc-1.local;fd00::1;10890;\n",
      "10.0.0.7 fd00::1" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      g_autofree char *addresses = parse (CASES[i].text);
      g_assert_cmpstr (addresses, ==, CASES[i].addresses);
    }
}

static void
test_many (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < 200; i++)
    g_string_append_printf (text, "=;eth0;IPv4;pc-1;_gild._tcp;local;pc-1.local;10.0.1.%u;10890;\n",
                            i);
  g_autoptr (GPtrArray) addresses = lan_hint_parse (text->str, "pc-1");
  g_assert_cmpuint (addresses->len, ==, 16);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lan-hint/parse", test_parse);
  g_test_add_func ("/lan-hint/many", test_many);
  return g_test_run ();
}
