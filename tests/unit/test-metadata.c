// SPDX-License-Identifier: GPL-2.0-or-later
// gild's metadata in domain XML: all that is refused, what is none of ours, and what is read.

#include "virt-hooks/metadata.h"

#include <string.h>

#include "virt-hooks/domain-xml.h"

#define UUID    "edd5e4b8-8559-87f6-bdda-8c30c5d16b3c"
#define GILD    "xmlns:gild='urn:gild:desktop:1'"
#define DISK    "<gild:disk target='vda' image='a/b'/>"
#define DESKTOP "<gild:desktop " GILD ">" DISK "</gild:desktop>"
#define DRIVER  "<driver name='qemu' type='qcow2' error_policy='enospace' rerror_policy='stop'/>"
#define SOURCE  "<source file='/run/gild/desktops/pc1/vda.qcow2'/>"
#define VDA                                                                                        \
  "<disk type='file' device='disk'>" DRIVER SOURCE "<target dev='vda' bus='virtio'/></disk>"
#define VDB                                                                                        \
  "<disk type='file'>" DRIVER                                                                      \
  "<source file='/run/gild/desktops/pc1/vdb.qcow2'/><target dev='vdb'/></disk>"

#define WITH(metadata, devices)                                                                    \
  "<domain type='qemu'><name>pc1</name><uuid>" UUID "</uuid><metadata>" metadata                   \
  "</metadata><devices>" devices "</devices></domain>"
#define GILD_DISK(disk)   WITH ("<gild:desktop " GILD ">" disk "</gild:desktop>", VDA)
#define ATTRIBUTES(extra) WITH ("<gild:desktop " GILD " " extra ">" DISK "</gild:desktop>", VDA)
#define DOMAIN_DISK(disk) WITH (DESKTOP, disk)
#define TARGET            "<target dev='vda'/>"

static Metadata *
parse (const char *xml, GError **error)
{
  return metadata_parse (xml, strlen (xml), "/run/gild", error);
}

static const struct
{
  const char *name, *xml, *says;
} BAD[] = {
  { "not-xml", "<domain urn:gild:desktop:1", "cannot be read" },
  { "two-roots", DOMAIN_DISK (VDA) "<x/>", "cannot be read" },
  { "not-a-domain", "<network>urn:gild:desktop:1</network>", "<domain>" },
  { "document-type", "<!DOCTYPE domain [<!ENTITY a 'urn:gild:desktop:1'>]><domain/>",
    "<!DOCTYPE>" },
  { "external-entity",
    "<!DOCTYPE domain [<!ENTITY a SYSTEM '/etc/passwd'>]>" ATTRIBUTES ("overlay='&a;'"),
    "cannot be read" },
  { "newer", WITH ("<gild:desktop xmlns:gild='urn:gild:desktop:2'/>", VDA), "urn:gild:desktop:2" },
  { "other-element", WITH ("<gild:laptop " GILD "/>", VDA), "<gild:desktop>" },
  { "twice", WITH (DESKTOP DESKTOP, VDA), "twice" },
  { "attribute", ATTRIBUTES ("colour='red'"), "'colour'" },
  { "attribute-namespace", ATTRIBUTES ("gild:overlay='1GiB'"), "'overlay'" },
  { "element", GILD_DISK (DISK "<gild:network/>"), "<network>" },
  { "element-of-another", GILD_DISK ("<disk target='vda' image='a/b'/>"), "<disk>" },
  { "element-in-disk", GILD_DISK ("<gild:disk target='vda' image='a/b'><x/></gild:disk>"), "<x>" },
  { "text", GILD_DISK (DISK "vdb"), "text" },
  { "overlay-unit", ATTRIBUTES ("overlay='2GB'"), "overlay: '2GB'" },
  { "overlay-empty", ATTRIBUTES ("overlay=''"), "overlay: ''" },
  { "overlay-negative", ATTRIBUTES ("overlay='-1GiB'"), "overlay: '-1GiB'" },
  { "overlay-zero", ATTRIBUTES ("overlay='0'"), "1MiB" },
  { "overlay-small", ATTRIBUTES ("overlay='1048575'"), "1MiB" },
  { "overlay-large", ATTRIBUTES ("overlay='1025TiB'"), "1024TiB" },
  { "overlay-overflow", ATTRIBUTES ("overlay='18446744073709551616'"), "too large" },
  { "spill", ATTRIBUTES ("spill='much'"), "spill: 'much'" },
  { "no-disks", GILD_DISK (""), "names no disk" },
  { "no-target", GILD_DISK ("<gild:disk image='a/b'/>"), "target" },
  { "empty-target", GILD_DISK ("<gild:disk target='' image='a/b'/>"), "target" },
  { "path-target", GILD_DISK ("<gild:disk target='../vda' image='a/b'/>"), "'../vda'" },
  { "long-target", GILD_DISK ("<gild:disk target='vdaaaaaaaaaaaaaa' image='a/b'/>"), "target" },
  { "same-target", GILD_DISK (DISK DISK), "target vda" },
  { "no-image", GILD_DISK ("<gild:disk target='vda'/>"), "no image" },
  { "bad-image", GILD_DISK ("<gild:disk target='vda' image='a/../b'/>"), "disk vda: 'a/../b'" },
  { "image-with-version", GILD_DISK ("<gild:disk target='vda' image='a/b@1'/>"), "'a/b@1'" },
  { "bad-channel", GILD_DISK ("<gild:disk target='vda' image='a/b' channel='No'/>"), "'No'" },
  { "bad-version", GILD_DISK ("<gild:disk target='vda' image='a/b' version='0'/>"), "'0'" },
  { "both", GILD_DISK ("<gild:disk target='vda' image='a/b' channel='x' version='1'/>"), "both" },
  { "chanel", GILD_DISK ("<gild:disk target='vda' image='a/b' chanel='x'/>"), "'chanel'" },
  { "no-name", "<domain><metadata>" DESKTOP "</metadata><devices>" VDA "</devices></domain>",
    "''" },
  { "json-name",
    "<domain><name>pc1.json</name><metadata>" DESKTOP "</metadata><devices>" VDA
    "</devices></domain>",
    ".json" },
  { "path-name", "<domain><name>../pc1</name><metadata>" DESKTOP "</metadata></domain>",
    "'../pc1'" },
  { "no-uuid", "<domain><name>pc1</name><metadata>" DESKTOP "</metadata></domain>", "<uuid>" },
  { "no-domain-disk", DOMAIN_DISK (VDB), "<target dev='vda'/>" },
  { "no-devices",
    "<domain><name>pc1</name><uuid>" UUID "</uuid><metadata>" DESKTOP "</metadata></domain>",
    "<target dev='vda'/>" },
  { "disk-of-another-namespace",
    DOMAIN_DISK ("<x:disk xmlns:x='urn:x' type='file'>" DRIVER SOURCE TARGET "</x:disk>"),
    "<target dev='vda'/>" },
  { "block", DOMAIN_DISK ("<disk type='block'>" DRIVER "<source dev='/dev/sda'/>" TARGET "</disk>"),
    "not a file" },
  { "cdrom", DOMAIN_DISK ("<disk device='cdrom'>" DRIVER SOURCE TARGET "</disk>"), "not a disk" },
  { "no-source", DOMAIN_DISK ("<disk>" DRIVER TARGET "</disk>"),
    "write <source file='/run/gild/desktops/pc1/vda.qcow2'/>" },
  { "foreign-source",
    DOMAIN_DISK ("<disk>" DRIVER "<source file='/srv/vda.qcow2'/>" TARGET "</disk>"),
    "'/srv/vda.qcow2'" },
  { "roundabout-source",
    DOMAIN_DISK ("<disk>" DRIVER "<source file='/run/gild/desktops/pc1/../pc1/vda.qcow2'/>" TARGET
                 "</disk>"),
    "write <source" },
  { "optional",
    DOMAIN_DISK ("<disk>" DRIVER
                 "<source file='/run/gild/desktops/pc1/vda.qcow2' startupPolicy='optional'/>" TARGET
                 "</disk>"),
    "startupPolicy" },
  { "slice",
    DOMAIN_DISK ("<disk>" DRIVER "<source file='/run/gild/desktops/pc1/vda.qcow2'><slices/>"
                 "</source>" TARGET "</disk>"),
    "<slices>" },
  { "no-driver", DOMAIN_DISK ("<disk>" SOURCE TARGET "</disk>"), "type='qcow2'" },
  { "raw",
    DOMAIN_DISK ("<disk><driver type='raw' error_policy='stop' rerror_policy='stop'/>" SOURCE TARGET
                 "</disk>"),
    "type='qcow2'" },
  { "no-error-policy",
    DOMAIN_DISK ("<disk><driver type='qcow2' rerror_policy='stop'/>" SOURCE TARGET "</disk>"),
    "error_policy='stop'" },
  { "error-policy-report",
    DOMAIN_DISK (
        "<disk><driver type='qcow2' error_policy='report' rerror_policy='stop'/>" SOURCE TARGET
        "</disk>"),
    "error_policy='stop'" },
  { "no-rerror-policy",
    DOMAIN_DISK ("<disk><driver type='qcow2' error_policy='stop'/>" SOURCE TARGET "</disk>"),
    "rerror_policy='stop'" },
  { "rerror-policy-ignore",
    DOMAIN_DISK (
        "<disk><driver type='qcow2' error_policy='stop' rerror_policy='ignore'/>" SOURCE TARGET
        "</disk>"),
    "rerror_policy='stop'" },
  { "transient", DOMAIN_DISK ("<disk>" DRIVER SOURCE TARGET "<transient/></disk>"), "<transient>" },
  { "backing-store", DOMAIN_DISK ("<disk>" DRIVER SOURCE TARGET "<backingStore/></disk>"),
    "<backingStore>" },
  { "mirror", DOMAIN_DISK ("<disk>" DRIVER SOURCE TARGET "<mirror/></disk>"), "<mirror>" },
  { "shareable", DOMAIN_DISK ("<disk>" DRIVER SOURCE TARGET "<shareable/></disk>"), "<shareable>" },
  { "unnamed", DOMAIN_DISK (VDA VDB), "vdb" },
  { "unnamed-roundabout",
    DOMAIN_DISK (VDA "<disk type='block'><source dev='/run/gild/x/../desktops//pc2/vda.qcow2'/>"
                     "<target dev='sda'/></disk>"),
    "sda" },
};

static void
test_bad (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (GError) error = NULL;
  g_autoptr (Metadata) metadata = parse (BAD[i].xml, &error);

  g_assert_null (metadata);
  g_assert_nonnull (error);
  if (!strstr (error->message, BAD[i].says))
    g_error ("%s: \"%s\" does not say \"%s\"", BAD[i].name, error->message, BAD[i].says);
}

static void
test_too_large (void)
{
  g_autofree char *blanks = g_strnfill (DOMAIN_XML_SIZE_MAX, ' ');
  g_autofree char *xml = g_strconcat (WITH (DESKTOP, VDA), blanks, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (parse (xml, &error));
  g_assert_nonnull (strstr (error->message, "4 MiB"));
}

static void
test_too_many_disks (void)
{
  g_autoptr (GString) xml = g_string_new ("<domain><name>pc1</name><uuid>" UUID
                                          "</uuid><metadata><gild:desktop " GILD ">");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i <= DESKTOP_DISKS_MAX; i++)
    g_string_append_printf (xml, "<gild:disk target='vd%u' image='a/b'/>", i);
  g_string_append (xml, "</gild:desktop></metadata></domain>");
  g_assert_null (parse (xml->str, &error));
  g_assert_nonnull (strstr (error->message, "65 disks"));
}

/* Entities within entities: whatever the parser does, it ends soon and with an error.  */
static void
test_entity_bomb (void)
{
  g_autoptr (GString) xml = g_string_new ("<!DOCTYPE domain [<!ENTITY e0 'urn:gild:desktop:1'>");
  g_autoptr (GError) error = NULL;

  for (guint i = 1; i < 30; i++)
    g_string_append_printf (xml, "<!ENTITY e%u '&e%u;&e%u;'>", i, i - 1, i - 1);
  g_string_append (xml, "]><domain type='&e29;'><name>&e29;</name></domain>");
  g_assert_null (parse (xml->str, &error));
  g_assert_nonnull (error);
}

static const char *const NOT_OURS[] = {
  "",
  "this is not even XML",
  "<domain><name>x</name></domain>",
  WITH ("", VDA),
  WITH ("<other:desktop xmlns:other='urn:other'/>", VDA),
  WITH ("<gild xmlns='urn:gild'/>", VDA),
  "<domain><title>about urn:gild:desktop:1</title></domain>",
  "<domain><description>" DESKTOP "</description></domain>",
};

static void
test_not_ours (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (NOT_OURS); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_null (parse (NOT_OURS[i], &error));
      g_assert_no_error (error);
    }
}

static void
test_mentioned (void)
{
  static const char XML[] = WITH (DESKTOP, VDA);

  g_assert_true (metadata_is_mentioned (XML, strlen (XML)));
  g_assert_false (metadata_is_mentioned (XML, 20));
  g_assert_false (metadata_is_mentioned ("", 0));
}

static void
test_all (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Metadata) metadata =
      parse (WITH ("<libosinfo:libosinfo xmlns:libosinfo='urn:l'/><gild:desktop " GILD
                   " overlay='2GiB' spill='20GiB'><!-- a comment -->\n"
                   "<gild:disk target='vda' image='accounting/desktop' channel='test'/>\n"
                   "<gild:disk target='vdb' image='accounting/erp' version='5'/></gild:desktop>",
                   VDA VDB "<disk type='file' device='cdrom'><target dev='sda'/></disk>"),
             &error);

  g_assert_no_error (error);
  g_assert_cmpstr (metadata->name, ==, "pc1");
  g_assert_cmpstr (metadata->uuid, ==, UUID);
  g_assert_cmpuint (metadata->overlay_bytes, ==, G_GUINT64_CONSTANT (2) << 30);
  g_assert_true (metadata->has_spill);
  g_assert_cmpuint (metadata->spill_bytes, ==, G_GUINT64_CONSTANT (20) << 30);
  g_assert_cmpuint (metadata->disks->len, ==, 2);

  const MetadataDisk *vda = metadata_find_disk (metadata, "vda");
  g_assert_cmpstr (vda->image, ==, "accounting/desktop");
  g_assert_cmpstr (vda->channel, ==, "test");
  g_assert_cmpuint (vda->version, ==, 0);
  const MetadataDisk *vdb = metadata_find_disk (metadata, "vdb");
  g_assert_cmpstr (vdb->image, ==, "accounting/erp");
  g_assert_null (vdb->channel);
  g_assert_cmpuint (vdb->version, ==, 5);
  g_assert_null (metadata_find_disk (metadata, "vdc"));
}

static void
test_defaults (void)
{
  static const char XML[] = WITH ("<g:desktop xmlns:g='urn:gild:desktop:1'>"
                                  "<g:disk target='vda' image='a/b'/></g:desktop>",
                                  VDA);
  g_autoptr (GError) error = NULL;
  g_autoptr (Metadata) metadata = metadata_parse (XML, strlen (XML), "/run/gild/", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (metadata->overlay_bytes, ==, 0);
  g_assert_false (metadata->has_spill);
  g_assert_cmpstr (metadata_find_disk (metadata, "vda")->channel, ==, "production");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autofree char *path = g_strconcat ("/metadata/bad/", BAD[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_bad);
    }
  g_test_add_func ("/metadata/bad/too-large", test_too_large);
  g_test_add_func ("/metadata/bad/too-many-disks", test_too_many_disks);
  g_test_add_func ("/metadata/bad/entity-bomb", test_entity_bomb);
  g_test_add_func ("/metadata/not-ours", test_not_ours);
  g_test_add_func ("/metadata/mentioned", test_mentioned);
  g_test_add_func ("/metadata/all", test_all);
  g_test_add_func ("/metadata/defaults", test_defaults);
  return g_test_run ();
}
