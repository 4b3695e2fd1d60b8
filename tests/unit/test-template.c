// SPDX-License-Identifier: GPL-2.0-or-later
// Templates: what cannot be one, what a desktop's definition has of it, and how they are found.

#include "virt-hooks/template.h"

#include <glib/gstdio.h>
#include <string.h>

#include "virt-hooks/domain-xml.h"
#include "virt-hooks/metadata.h"

#define SITE           "0f0e0d0c-1111-4222-8333-444455556666"
#define GILD           "xmlns:gild='urn:gild:desktop:1'"
#define DESKTOP(disks) "<metadata><gild:desktop " GILD ">" disks "</gild:desktop></metadata>"
#define VDA                                                                                        \
  "<disk type='file'><driver type='qcow2' error_policy='stop' rerror_policy='stop'/>"              \
  "<target dev='vda'/></disk>"
#define HVM                   "<os><type>hvm</type></os>"
#define DOMAIN(head, devices) "<domain>" head "<devices>" devices "</devices></domain>"
#define SIMPLE                DOMAIN (DESKTOP ("<gild:disk target='vda' image='a/b'/>") HVM, VDA)

static const TemplateValues VALUES = { "pc1", SITE, NULL, "qemu", "/run/gild", 0 };

static char *
render (const char *xml, TemplateValues values, GError **error)
{
  return template_render (xml, strlen (xml), &values, error);
}

static char *
render_well (const char *xml, TemplateValues values)
{
  g_autoptr (GError) error = NULL;
  char *text = render (xml, values, &error);

  g_assert_no_error (error);
  return text;
}

static const struct
{
  const char *name, *xml, *says;
} BAD[] = {
  { "empty", "", "cannot be read" },
  { "not-xml", "a template", "cannot be read" },
  { "not-a-domain", "<network/>", "<domain>" },
  { "document-type", "<!DOCTYPE domain><domain/>", "<!DOCTYPE>" },
  { "not-ours", DOMAIN ("<name>x</name>" HVM, VDA), "no metadata of gild" },
  { "newer", DOMAIN ("<metadata><g:desktop xmlns:g='urn:gild:desktop:2'/></metadata>" HVM, VDA),
    "urn:gild:desktop:2" },
  { "no-os", DOMAIN (DESKTOP ("<gild:disk target='vda' image='a/b'/>"), VDA), "<os>" },
  { "no-devices", "<domain>" DESKTOP ("<gild:disk target='vda' image='a/b'/>") HVM "</domain>",
    "<devices>" },
  { "no-disks", DOMAIN (DESKTOP ("") HVM, VDA), "names no disk" },
  { "no-image", DOMAIN (DESKTOP ("<gild:disk target='vda'/>") HVM, VDA), "--image" },
  { "second-without-image",
    DOMAIN (DESKTOP ("<gild:disk target='vda' image='a/b'/><gild:disk target='vdb'/>") HVM, VDA),
    "disk vdb" },
  { "disk-not-there", DOMAIN (DESKTOP ("<gild:disk target='vdb' image='a/b'/>") HVM, VDA), "vdb" },
  { "no-target", DOMAIN (DESKTOP ("<gild:disk image='a/b'/>") HVM, VDA), "target" },
  { "policies",
    DOMAIN (DESKTOP ("<gild:disk target='vda' image='a/b'/>") HVM,
            "<disk><driver type='qcow2'/><target dev='vda'/></disk>"),
    "error_policy" },
};

static void
test_bad (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (GError) error = NULL;

  g_assert_null (render (BAD[i].xml, VALUES, &error));
  g_assert_nonnull (error);
  if (!strstr (error->message, BAD[i].says))
    g_error ("%s: \"%s\" does not say \"%s\"", BAD[i].name, error->message, BAD[i].says);
}

static void
test_bad_values (void)
{
  static const TemplateValues BAD_VALUES[] = {
    { "", SITE, NULL, "qemu", "/run/gild", 0 },
    { "../pc1", SITE, NULL, "qemu", "/run/gild", 0 },
    { "<pc1>", SITE, NULL, "qemu", "/run/gild", 0 },
    { "pc1.json", SITE, NULL, "qemu", "/run/gild", 0 },
    { "pc1", SITE, "A/b", "qemu", "/run/gild", 0 },
    { "pc1", SITE, "a/b@1", "qemu", "/run/gild", 0 },
    { "pc1", SITE, "a/b' x='", "qemu", "/run/gild", 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD_VALUES); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_null (render (SIMPLE, BAD_VALUES[i], &error));
      g_assert_nonnull (error);
    }
}

/* What of the definition matters stands in it, and what does not is not there.  */
static void
check (const char *text, const char *const has[], const char *const lacks[])
{
  for (gsize i = 0; has[i]; i++)
    if (!strstr (text, has[i]))
      g_error ("\"%s\" is missing in %s", has[i], text);
  for (gsize i = 0; lacks[i]; i++)
    if (strstr (text, lacks[i]))
      g_error ("\"%s\" has stayed in %s", lacks[i], text);
}

static void
test_simple (void)
{
  g_autofree char *text = render_well (SIMPLE, VALUES);
  const char *const has[] = { "<domain type=\"qemu\">",
                              "<name>pc1</name>",
                              "<cpu mode=\"maximum\"/>",
                              "<source file=\"/run/gild/desktops/pc1/vda.qcow2\"/>",
                              "<smbios mode=\"sysinfo\"/>",
                              "<sysinfo type=\"smbios\">",
                              "<entry name=\"serial\">ds=nocloud;h=pc1</entry>",
                              "<entry>io.systemd.credential:system.hostname=pc1</entry>",
                              "image=\"a/b\"",
                              NULL };
  const char *const lacks[] = { NULL };

  check (text, has, lacks);
}

static void
test_kvm (void)
{
  TemplateValues values = VALUES;
  values.virt_type = "kvm";
  const char *xml = DOMAIN (DESKTOP ("<gild:disk target='vda' image='a/b'/>") HVM
                            "<cpu mode='maximum'/><features><hyperv/></features>",
                            VDA);
  g_autofree char *kvm = render_well (xml, values);
  g_autofree char *qemu = render_well (kvm, VALUES);
  const char *const of_kvm[] = { "type=\"kvm\"", "mode=\"host-passthrough\"", "<hyperv/>", NULL };
  const char *const of_qemu[] = { "type=\"qemu\"", "mode=\"maximum\"", NULL };
  const char *const none[] = { NULL };

  check (kvm, of_kvm, none);
  check (qemu, of_qemu, of_kvm);
}

static void
test_cpu_of_ones_own (void)
{
  const char *xml = DOMAIN (DESKTOP ("<gild:disk target='vda' image='a/b'/>") HVM
                            "<cpu mode='custom'><model>Nehalem</model></cpu>",
                            VDA);
  g_autofree char *text = render_well (xml, VALUES);
  const char *const has[] = { "<cpu mode=\"custom\">", "Nehalem", NULL };
  const char *const lacks[] = { "maximum", NULL };

  check (text, has, lacks);
}

static void
test_image (void)
{
  TemplateValues values = VALUES;
  values.image = "c/d";
  const char *xml = DOMAIN (
      DESKTOP (
          "<gild:disk target='vda' image='a/b' version='5'/><gild:disk target='vdb' image='a/e'/>")
          HVM,
      VDA "<disk><driver type='qcow2' error_policy='stop' rerror_policy='stop'/>"
          "<target dev='vdb'/></disk>");
  g_autofree char *text = render_well (xml, values);
  const char *const has[] = { "image=\"c/d\"", "image=\"a/e\"",
                              "<source file=\"/run/gild/desktops/pc1/vdb.qcow2\"/>", NULL };
  const char *const lacks[] = { "a/b", "version=\"5\"", NULL };

  check (text, has, lacks);
}

/* A version of it, whatever the template names of another.  */
static void
test_version (void)
{
  TemplateValues values = VALUES;
  values.image = "c/d";
  values.version = 7;
  const char *xml =
      DOMAIN (DESKTOP ("<gild:disk target='vda' image='a/b' channel='test'/>") HVM, VDA);
  g_autofree char *text = render_well (xml, values);
  const char *const has[] = { "image=\"c/d\"", "version=\"7\"", NULL };
  const char *const lacks[] = { "a/b", "channel=", NULL };

  check (text, has, lacks);
}

/* Of a running desktop, as virsh dumpxml shows it.  */
static const char RUNNING[] =
    "<domain type='qemu' id='11'><name>pc0</name><uuid>edd5e4b8-8559-87f6-bdda-8c30c5d16b3c</uuid>"
    "<genid>43dc0cf8-809b-4adb-9bea-a9abb5f3d90e</genid>"
    "<metadata><gild:desktop " GILD ">"
    "<gild:disk target='vda' image='a/b' channel='test'/></gild:desktop></metadata>"
    "<sysinfo type='smbios'><bios><entry name='vendor'>LENOVO</entry></bios>"
    "<system><entry name='serial'>ds=nocloud;h=pc0</entry>"
    "<entry name='uuid'>edd5e4b8-8559-87f6-bdda-8c30c5d16b3c</entry></system>"
    "<oemStrings><entry>my own</entry>"
    "<entry>io.systemd.credential:system.hostname=pc0</entry></oemStrings></sysinfo>"
    "<os><type>hvm</type><smbios mode='sysinfo'/><loader>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
    "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/var/lib/libvirt/qemu/nvram/pc0_VARS.fd"
    "</nvram></os><devices>"
    "<disk type='file' device='disk'>"
    "<driver name='qemu' type='qcow2' error_policy='enospace' rerror_policy='stop'/>"
    "<source file='/run/gild/desktops/pc0/vda.qcow2' index='1'/>"
    "<backingStore type='network' index='2'><format type='raw'/><source protocol='nbd' "
    "name='a/b@1'>"
    "<host transport='unix' socket='/run/gild/nbd.sock'/></source></backingStore>"
    "<target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk>"
    "<interface type='network'><mac address='52:54:2f:ff:3c:31'/>"
    "<source network='default' portid='9e0f' bridge='virbr0'/><target dev='vnet3'/>"
    "<alias name='net0'/></interface>"
    "<interface type='user'><mac address='52:54:2f:ff:3c:32'/><alias name='ua-mine'/></interface>"
    "<serial type='pty'><source path='/dev/pts/5'/>"
    "<log file='/var/log/libvirt/qemu/pc0-console.log' append='off'/></serial>"
    "<console type='pty' tty='/dev/pts/5'><source path='/dev/pts/5'/>"
    "<log file='/var/log/pc01.log'/></console>"
    "<channel type='unix'>"
    "<source mode='bind' path='/var/lib/libvirt/qemu/channel/target/domain-11-pc0/org.qemu.ga'/>"
    "<target type='virtio' name='org.qemu.ga' state='disconnected'/></channel>"
    "<graphics type='vnc' port='5905' autoport='yes' websocket='5705'/>"
    "<vsock><cid auto='yes' address='3'/></vsock></devices>"
    "<seclabel type='dynamic' model='dac'><label>+64055:+64055</label></seclabel>"
    "<seclabel type='none' model='selinux'/></domain>";

static void
test_running (void)
{
  g_autofree char *text = render_well (RUNNING, VALUES);
  const char *const has[] = { "LENOVO",
                              "<entry>my own</entry>",
                              "h=pc1",
                              "channel=\"test\"",
                              "network=\"default\"",
                              "ua-mine",
                              "<source file=\"/run/gild/desktops/pc1/vda.qcow2\"/>",
                              "<log file=\"/var/log/libvirt/qemu/pc1-console.log\"",
                              "<log file=\"/var/log/pc01.log\"",
                              "<nvram template=\"/usr/share/OVMF/OVMF_VARS_4M.fd\"/>",
                              "<genid/>",
                              "<graphics type=\"vnc\" autoport=\"yes\"/>",
                              "<seclabel type=\"none\"",
                              NULL };
  const char *const lacks[] = { "id=\"11\"", "edd5e4b8",  "43dc0cf8",      "pc0/",
                                "pc0_",      "h=pc0",     "hostname=pc0",  "name=\"uuid\"",
                                "index=",    "backing",   "virtio-disk0",  "net0",
                                "52:54:2f",  "vnet3",     "portid",        "virbr0",
                                "/dev/pts",  "domain-11", "disconnected",  "5905",
                                "5705",      "64055",     "address=\"3\"", NULL };

  check (text, has, lacks);
}

/* What a definition must have in common with the same one made again, and with no other.  */
static void
test_stable (void)
{
  TemplateValues values[] = { VALUES, VALUES, VALUES };
  g_autoptr (GPtrArray) uuids = g_ptr_array_new_with_free_func (g_free);
  values[1].name = "pc2";
  values[2].site_uuid = "1f0e0d0c-1111-4222-8333-444455556666";

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autofree char *once = render_well (RUNNING, values[i]);
      g_autofree char *again = render_well (RUNNING, values[i]);
      g_autofree char *of_itself = render_well (once, values[i]);
      g_autoptr (Metadata) metadata = metadata_parse (once, strlen (once), values[i].run_dir, NULL);
      g_assert_cmpstr (once, ==, again);
      g_assert_cmpstr (once, ==, of_itself);
      g_assert_false (g_ptr_array_find_with_equal_func (uuids, metadata->uuid, g_str_equal, NULL));
      g_ptr_array_add (uuids, g_strdup (metadata->uuid));
    }
  g_assert_true (g_regex_match_simple ("^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                                       "[0-9a-f]{12}$",
                                       uuids->pdata[0], 0, 0));
}

/* As another program computes it: the first 16 bytes of the SHA-256 of
   "gild-desktop0f0e0d0c-1111-4222-8333-444455556666d1".  */
static void
test_uuid (void)
{
  TemplateValues values = VALUES;
  values.name = "d1";
  g_autofree char *text = render_well (SIMPLE, values);

  g_assert_nonnull (strstr (text, "<uuid>edd5e4b8-8559-87f6-bdda-8c30c5d16b3c</uuid>"));
}

/* The addresses of all interfaces in XML.  */
static GPtrArray *
read_macs (const char *xml)
{
  GPtrArray *macs = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (xmlDoc) document = domain_xml_parse (xml, strlen (xml), NULL);
  const xmlNode *devices = domain_xml_child (xmlDocGetRootElement (document), "devices");

  for (xmlNode *node = domain_xml_child (devices, "interface"); node;
       node = domain_xml_next (node, "interface"))
    g_ptr_array_add (macs, domain_xml_attribute (domain_xml_child (node, "mac"), "address"));
  return macs;
}

static void
test_macs (void)
{
  TemplateValues other = VALUES;
  other.name = "pc2";
  g_autofree char *text = render_well (RUNNING, VALUES);
  g_autofree char *other_text = render_well (RUNNING, other);
  g_autoptr (GPtrArray) macs = read_macs (text);
  g_autoptr (GPtrArray) other_macs = read_macs (other_text);

  g_assert_cmpuint (macs->len, ==, 2);
  g_ptr_array_extend_and_steal (macs, g_steal_pointer (&other_macs));
  for (guint i = 0; i < macs->len; i++)
    {
      g_assert_true (g_regex_match_simple ("^52:54(:[0-9a-f]{2}){4}$", macs->pdata[i], 0, 0));
      for (guint j = 0; j < i; j++)
        g_assert_cmpstr (macs->pdata[i], !=, macs->pdata[j]);
    }
}

static void
test_installed (gconstpointer name)
{
  const char *source = g_getenv ("srcdir") ? g_getenv ("srcdir") : ".";
  g_autofree char *directory = g_build_filename (source, "virt-hooks", "templates", NULL);
  const char *const directories[] = { directory, NULL };
  g_autoptr (GError) error = NULL;
  TemplateValues values = VALUES;
  gsize size;
  g_autofree char *xml = template_load (name, directories, &size, &error);
  g_assert_no_error (error);

  g_assert_null (template_render (xml, size, &values, &error));
  g_assert_nonnull (strstr (error->message, "--image"));
  g_clear_error (&error);
  values.image = "demo/desktop";
  g_autofree char *text = template_render (xml, size, &values, &error);
  g_assert_no_error (error);
  const char *const has[] = { "discard=\"unmap\"",     "detect_zeroes=\"unmap\"",
                              "error_policy=\"stop\"", "rerror_policy=\"stop\"",
                              "/pc1-console.log",      NULL };
  const char *const lacks[] = { "SPDX", "hyperv", name, NULL };
  check (text, has, lacks);
}

static void
test_load (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *first = g_dir_make_tmp ("gild-template-XXXXXX", &error);
  g_autofree char *second = g_dir_make_tmp ("gild-template-XXXXXX", &error);
  g_autofree char *both = g_build_filename (first, "both.xml", NULL);
  g_autofree char *also_both = g_build_filename (second, "both.xml", NULL);
  g_autofree char *only = g_build_filename (second, "only.xml", NULL);
  const char *const directories[] = { first, "/nonexistent", second, NULL };
  gsize size;
  g_file_set_contents (both, "1", -1, &error);
  g_file_set_contents (also_both, "2", -1, &error);
  g_file_set_contents (only, "three", -1, &error);

  g_assert_null (template_load ("none", directories, &size, &error));
  g_assert_nonnull (strstr (error->message, "'none': there are both, only,"));
  g_clear_error (&error);
  g_assert_null (template_load ("none.xml", directories, &size, &error));
  g_clear_error (&error);
  g_assert_null (template_load (second, directories, &size, &error));
  g_clear_error (&error);
  g_assert_null (template_load ("/dev/zero", directories, &size, &error));
  g_assert_nonnull (strstr (error->message, "4 MiB"));
  g_clear_error (&error);

  g_autofree char *text = template_load ("both", directories, &size, &error);
  g_assert_cmpmem (text, size, "1", 1);
  g_autofree char *later = template_load ("only", directories, &size, &error);
  g_assert_cmpmem (later, size, "three", 5);
  g_autofree char *by_path = template_load (also_both, directories, &size, &error);
  g_assert_cmpmem (by_path, size, "2", 1);
  g_assert_no_error (error);
  g_remove (both);
  g_remove (also_both);
  g_remove (only);
  g_rmdir (first);
  g_rmdir (second);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autofree char *path = g_strconcat ("/template/bad/", BAD[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_bad);
    }
  g_test_add_func ("/template/bad/values", test_bad_values);
  g_test_add_func ("/template/simple", test_simple);
  g_test_add_func ("/template/kvm", test_kvm);
  g_test_add_func ("/template/cpu-of-ones-own", test_cpu_of_ones_own);
  g_test_add_func ("/template/image", test_image);
  g_test_add_func ("/template/version", test_version);
  g_test_add_func ("/template/running", test_running);
  g_test_add_func ("/template/stable", test_stable);
  g_test_add_func ("/template/uuid", test_uuid);
  g_test_add_func ("/template/macs", test_macs);
  g_test_add_data_func ("/template/installed/linux", "linux", test_installed);
  g_test_add_data_func ("/template/installed/windows", "windows", test_installed);
  g_test_add_func ("/template/load", test_load);
  return g_test_run ();
}
