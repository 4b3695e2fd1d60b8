// SPDX-License-Identifier: GPL-2.0-or-later
// Spilling in libvirt's XML: the snapshot that is asked for, and the definition as it was.

#include "daemon/spill-xml.h"

#include <string.h>

#include "virt-hooks/domain-xml.h"

#define RAM             "<source file='/run/gild/desktops/pc1/vda.qcow2'/>"
#define SPILL           "<source file='/var/lib/gild/spill/pc1/vda.qcow2'/>"
#define SPILL_2         "<source file='/var/lib/gild/spill/pc1/vda.2.qcow2'/>"
#define SPILL_3         "<source file='/var/lib/gild/spill/pc1/vda.3.qcow2'/>"
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
  { "three-layers", DOMAIN (DISK (RAM)), DOMAIN (DISK (SPILL_3 BACKING (SPILL_2 BACKING (RAM)))) },
  { "layers-left-out", DOMAIN (DISK (RAM)), DOMAIN (DISK (SPILL_3 BACKING (RAM))) },
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
  { "over-itself", DOMAIN (DISK (SPILL BACKING (SPILL))) },
  { "upside-down", DOMAIN (DISK (SPILL BACKING (SPILL_2 BACKING (RAM)))) },
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
      spill_xml_snapshot (&CONFIG, "pc1", targets, 2, xml, strlen (xml), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (snapshot, ==,
                   "<domainsnapshot><disks>"
                   "<disk name='sda' snapshot='no'/>"
                   "<disk name='vda' snapshot='external' type='file'><driver type='qcow2'/>"
                   "<source file='/var/lib/gild/spill/pc1/vda.2.qcow2'/></disk>"
                   "</disks></domainsnapshot>");
}

static guint
layer_of (const char *name, const char *target, const char *xml)
{
  return spill_xml_layer (&CONFIG, name, target, xml, strlen (xml));
}

static void
test_layer (void)
{
  const char *one = DOMAIN (DISK (SPILL BACKING (RAM))), *none = DOMAIN (DISK (RAM));

  g_assert_cmpuint (layer_of ("pc1", "vda", none), ==, 0);
  g_assert_cmpuint (layer_of ("pc1", "vda", one), ==, 1);
  g_assert_cmpuint (layer_of ("pc1", "vda", DOMAIN (DISK (SPILL_3 BACKING (SPILL)))), ==, 3);
  g_assert_cmpuint (layer_of ("pc2", "vda", one), ==, 0);
  g_assert_cmpuint (layer_of ("pc1", "vdb", one), ==, 0);
  g_assert_cmpuint (layer_of ("pc1", "vda", ""), ==, 0);
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
  g_test_add_func ("/spill-xml/layer", test_layer);
  return g_test_run ();
}
