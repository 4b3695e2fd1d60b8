// SPDX-License-Identifier: GPL-2.0-or-later
// A VM's screen: whatever a template says of it, this host alone reaches it; and its address.

#include "virt-hooks/domain-screen.h"

#include <string.h>

#include "virt-hooks/domain-xml.h"

#define DOMAIN(devices) "<domain><devices>" devices "</devices></domain>"

static char *
restrict_in (const char *xml)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) document = domain_xml_parse (xml, strlen (xml), &error);

  g_assert_no_error (error);
  domain_screen_restrict (domain_xml_child (xmlDocGetRootElement (document), "devices"),
                          "secret12");
  return domain_xml_to_text (document);
}

static const struct
{
  const char *graphics, *has, *lacks;
} RESTRICTED[] = {
  { "<graphics type='vnc' port='5901' autoport='no' listen='0.0.0.0' websocket='5700'/>",
    "autoport=\"yes\" passwd=\"secret12\">", "0.0.0.0" },
  { "<graphics type='vnc' listen='::'><listen type='address' address='::'/></graphics>",
    "<listen type=\"address\" address=\"127.0.0.1\"/>", "::" },
  { "<graphics type='vnc'><listen type='network' network='office'/></graphics>",
    "<listen type=\"address\" address=\"127.0.0.1\"/>", "office" },
  { "<graphics type='vnc' port='5901' websocket='5700'/>", "127.0.0.1", "5700" },
  { "<graphics type='spice' port='5900' tlsPort='5901'><listen type='address'/></graphics>",
    "<listen type=\"address\" address=\"127.0.0.1\"/>", "590" },
  { "<graphics type='vnc' passwd='old' passwdValidTo='2010-04-09T15:51:00'/>", "secret12", "2010" },
  { "<graphics type='vnc' socket='/run/a'/>", "<listen type=\"socket\"/>", "/run/a" },
  { "<graphics type='vnc'><listen type='socket' socket='/run/a'/></graphics>",
    "<listen type=\"socket\"/>", "/run/a" },
  { "<graphics type='spice'><listen type='none'/></graphics>", "<listen type=\"none\"/>",
    "address" },
  { "", "<graphics type=\"vnc\" autoport=\"yes\" passwd=\"secret12\">", "0.0.0.0" },
  { "<graphics type='egl-headless'/>", "<graphics type=\"vnc\" autoport=\"yes\"", "0.0.0.0" },
  { "<graphics type='spice'/><graphics type='vnc' listen='0.0.0.0'/>", "type=\"vnc\" autoport",
    "0.0.0.0" },
};

static void
test_restrict (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (RESTRICTED); i++)
    {
      g_autofree char *xml = g_strdup_printf (DOMAIN ("%s"), RESTRICTED[i].graphics);
      g_autofree char *text = restrict_in (xml);
      if (!strstr (text, RESTRICTED[i].has) || strstr (text, RESTRICTED[i].lacks))
        g_error ("%s became %s", RESTRICTED[i].graphics, text);
    }
}

static const struct
{
  const char *xml, *address;
} ADDRESSES[] = {
  { "", NULL },
  { "<network/>", NULL },
  { "<domain/>", NULL },
  { DOMAIN (""), NULL },
  { DOMAIN ("<graphics type='egl-headless'/>"), NULL },
  { DOMAIN ("<graphics type='vnc' port='-1'><listen address='127.0.0.1'/></graphics>"), NULL },
  { DOMAIN ("<graphics type='vnc'><listen type='none'/></graphics>"), NULL },
  { DOMAIN ("<graphics type='vnc' port='5900'><listen type='address' address='127.0.0.1'/>"
            "</graphics>"),
    "vnc://127.0.0.1:5900" },
  { DOMAIN ("<graphics type='spice' tlsPort='5901'><listen address='127.0.0.1'/></graphics>"),
    "spice://127.0.0.1?tls-port=5901" },
  { DOMAIN ("<graphics type='egl-headless'/>"
            "<graphics type='vnc'><listen type='socket' socket='/run/vnc.sock'/></graphics>"),
    "vnc+unix:///run/vnc.sock" },
};

static void
test_address (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (ADDRESSES); i++)
    {
      g_autofree char *address =
          domain_screen_address (ADDRESSES[i].xml, strlen (ADDRESSES[i].xml));
      g_assert_cmpstr (address, ==, ADDRESSES[i].address);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/domain-screen/restrict", test_restrict);
  g_test_add_func ("/domain-screen/address", test_address);
  return g_test_run ();
}
