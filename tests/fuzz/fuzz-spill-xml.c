// SPDX-License-Identifier: GPL-2.0-or-later
// libvirt's XML of a desktop that spilled: what is made of it is XML, and nothing spilled is left.
#include "fuzz.h"

#include <libxml/parser.h>
#include <string.h>

#include "daemon/spill-xml.h"
#include "virt-hooks/domain-xml.h"

static const Config CONFIG = { .state_dir = (char *)"/var/lib/gild",
                               .run_dir = (char *)"/run/gild" };

/* The definition as it was before.  */
static void
check_restored (const char *xml, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *restored = spill_xml_restore (&CONFIG, "pc1", xml, size, &error);

  if (!restored && !error)
    return; // nothing had spilled
  fuzz_check_result (restored, error);
  g_assert_no_error (error);
  g_autofree char *again = spill_xml_restore (&CONFIG, "pc1", restored, strlen (restored), &error);
  g_assert_no_error (error);
  g_assert_null (again);
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  static char *TARGETS[] = { (char *)"vda", (char *)"vdb" };
  GPtrArray targets = { .pdata = (gpointer *)TARGETS, .len = G_N_ELEMENTS (TARGETS) };
  const char *xml = (const char *)data;
  g_autoptr (GError) error = NULL;
  g_autofree char *snapshot = spill_xml_snapshot (&CONFIG, "pc1", &targets, 2, xml, size, &error);

  if (!fuzz_check_result (snapshot, error))
    return FALSE;
  g_autoptr (xmlDoc) document =
      xmlReadMemory (snapshot, (int)strlen (snapshot), "snapshot.xml", NULL,
                     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
  g_assert_nonnull (document);
  g_assert_cmpuint (spill_xml_layer (&CONFIG, "pc1", "vda", xml, size), <=, SPILL_LAYERS_MAX);
  check_restored (xml, size);
  return TRUE;
}
