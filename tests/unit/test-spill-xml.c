// SPDX-License-Identifier: GPL-2.0-or-later
// Spilling in libvirt's XML: the snapshot that is asked for, and the definition as it was.

#include "daemon/spill-xml.h"

#include <string.h>

#include "virt-hooks/domain-xml.h"

#define RAM             "<source file='/run/gild/desktops/pc1/vda.qcow2'/>"
#define SPILL           "<source file='/var/lib/gild/spill/pc1/vda.qcow2'/>"
#define BACKING(inside) "<backingStore type='file'><format type='qcow2'/>" inside "</backingStore>"
#define DRIVER          "<driver name='qemu' type='qcow2' error_policy='stop' rerror_policy='stop'/>"
#define DISK(inside)                                                                               \
  "<disk type='file' device='disk'>" DRIVER inside "<target dev='vda' bus='virtio'/></disk>"
#define CDROM         "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
#define DOMAIN(disks) "<domain><name>pc1</name><devices>" disks "</devices></domain>"

static Config CONFIG = { .state_dir = (char *)"/var/lib/gild", .run_dir = (char *)"/run/gild" };

static char *
restore (const char *xml, GError **error)
{
  return spill_xml_restore (&CONFIG, "pc1", xml, strlen (xml), error);
}

/* XML as libxml2 writes it.  */
static char *
normal (const char *xml)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) document = domain_xml_parse (xml, strlen (xml), &error);
  xmlChar *text;
  int size;

  g_assert_no_error (error);
  xmlDocDumpMemoryEnc (document, &text, &size, "UTF-8");
  char *copy = g_strdup ((const char *)text);
  xmlFree (text);
  return copy;
}

static const struct
{
  const char *name, *before, *after;
} RESTORED[] = {
  { "plain", DOMAIN (DISK (RAM)), DOMAIN (DISK (SPILL BACKING (RAM))) },
  { "other-disks", DOMAIN (CDROM DISK (RAM)), DOMAIN (CDROM DISK (SPILL BACKING (RAM))) },
  { "a-chain-below", DOMAIN (DISK (RAM "<backingStore type='network'/>")),
    DOMAIN (DISK (SPILL BACKING (RAM "<backingStore type='network'/>"))) },
  { "text-in-the-rest", DOMAIN (DISK (RAM) "<emulator>a &amp; b</emulator>"),
    DOMAIN (DISK (SPILL BACKING (RAM)) "<emulator>a &amp; b</emulator>") },
};

static void
test_restored (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (GError) error = NULL;
  g_autofree char *restored = restore (RESTORED[i].after, &error);
  g_autofree char *wanted = normal (RESTORED[i].before);

  g_assert_no_error (error);
  g_assert_cmpstr (restored, ==, wanted);
}

static const struct
{
  const char *name, *xml;
} LEFT[] = {
  { "never-spilled", DOMAIN (DISK (RAM)) },
  { "no-disks", DOMAIN ("") },
  { "no-devices", "<domain><name>pc1</name></domain>" },
  { "another-desktops",
    DOMAIN (DISK ("<source file='/var/lib/gild/spill/pc2/vda.qcow2'/>" BACKING (RAM))) },
  { "over-another-file", DOMAIN (DISK (SPILL BACKING ("<source file='/srv/golden/vda.qcow2'/>"))) },
  { "over-nothing", DOMAIN (DISK (SPILL)) },
};

static void
test_left (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *restored = restore (LEFT[GPOINTER_TO_SIZE (data)].xml, &error);

  g_assert_no_error (error);
  g_assert_null (restored);
}

static void
test_garbage (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (restore ("<domain", &error));
  g_assert_nonnull (error);
}

static void
test_snapshot (void)
{
  const char *xml = DOMAIN (CDROM DISK (RAM));
  g_autoptr (GPtrArray) targets = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (targets, (gpointer) "vda");
  g_autofree char *snapshot =
      spill_xml_snapshot (&CONFIG, "pc1", targets, xml, strlen (xml), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (snapshot, ==,
                   "<domainsnapshot><disks>"
                   "<disk name='sda' snapshot='no'/>"
                   "<disk name='vda' snapshot='external' type='file'><driver type='qcow2'/>"
                   "<source file='/var/lib/gild/spill/pc1/vda.qcow2'/></disk>"
                   "</disks></domainsnapshot>");
}

static void
test_is_spilled (void)
{
  const char *yes = DOMAIN (DISK (SPILL BACKING (RAM))), *no = DOMAIN (DISK (RAM));

  g_assert_true (spill_xml_is_spilled (&CONFIG, "pc1", "vda", yes, strlen (yes)));
  g_assert_false (spill_xml_is_spilled (&CONFIG, "pc1", "vda", no, strlen (no)));
  g_assert_false (spill_xml_is_spilled (&CONFIG, "pc2", "vda", yes, strlen (yes)));
  g_assert_false (spill_xml_is_spilled (&CONFIG, "pc1", "vdb", yes, strlen (yes)));
  g_assert_false (spill_xml_is_spilled (&CONFIG, "pc1", "vda", "", 0));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (RESTORED); i++)
    {
      g_autofree char *path = g_strconcat ("/spill-xml/restored/", RESTORED[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_restored);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (LEFT); i++)
    {
      g_autofree char *path = g_strconcat ("/spill-xml/left/", LEFT[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_left);
    }
  g_test_add_func ("/spill-xml/garbage", test_garbage);
  g_test_add_func ("/spill-xml/snapshot", test_snapshot);
  g_test_add_func ("/spill-xml/is-spilled", test_is_spilled);
  return g_test_run ();
}
