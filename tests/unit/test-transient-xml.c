// SPDX-License-Identifier: GPL-2.0-or-later
// A VM that runs once: what it has that a desktop need not have, and what of a desktop it has not.

#include "virt-hooks/transient-xml.h"

#include <string.h>

#include "virt-hooks/metadata.h"

#define DESKTOP(disks)                                                                             \
  "<metadata><gild:desktop xmlns:gild='urn:gild:desktop:1'>" disks "</gild:desktop></metadata>"
#define DISK(target)                                                                               \
  "<disk type='file'><driver type='qcow2' error_policy='stop' rerror_policy='stop'/>"              \
  "<source file='/run/gild/desktops/pc1/" target ".qcow2'/><target dev='" target "'/></disk>"
#define IMAGE(target) "<gild:disk target='" target "' image='a/b'/>"
#define DOMAIN(more, images, devices)                                                               \
  "<domain type='qemu'><name>pc1</name><uuid>0f0e0d0c-1111-4222-8333-444455556666</uuid>" DESKTOP ( \
      images) "<memory unit='GiB'>2</memory><os><type>hvm</type></os>" more "<devices>" devices     \
              "</devices></domain>"
#define PLAIN DOMAIN ("", IMAGE ("vda"), DISK ("vda"))

static char *
make (const char *xml, TransientValues values)
{
  g_autoptr (GError) error = NULL;
  char *text = transient_xml (xml, strlen (xml), &values, &error);

  g_assert_no_error (error);
  return text;
}

static void
check (const char *text, const char *const has[], const char *const lacks[])
{
  for (gsize i = 0; has[i]; i++)
    if (!strstr (text, has[i]))
      g_error ("\"%s\" is missing in %s", has[i], text);
  for (gsize i = 0; lacks[i]; i++)
    if (strstr (text, lacks[i]))
      g_error ("\"%s\" is in %s", lacks[i], text);
}

static guint
count (const char *text, const char *part)
{
  guint n = 0;

  for (const char *at = text; (at = strstr (at, part)); at++)
    n++;
  return n;
}

static void
test_bad (void)
{
  static const char *const BAD[] = { "", "text", "<network/>", "<!DOCTYPE domain><domain/>" };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (GError) error = NULL;
      TransientValues values = { 0 };
      g_assert_null (transient_xml (BAD[i], strlen (BAD[i]), &values, &error));
      g_assert_nonnull (error);
    }
}

static void
test_added (void)
{
  g_autofree char *text = make (PLAIN, (TransientValues){ 0 });
  g_autoptr (GError) error = NULL;
  g_autoptr (Metadata) metadata = metadata_parse (text, strlen (text), "/run/gild", &error);
  const char *const has[] = { "<serial type=\"pty\"/>",
                              "name=\"org.qemu.guest_agent.0\"",
                              "<panic model=\"isa\"/>",
                              "<bios rebootTimeout=\"0\"/>",
                              "<on_poweroff>destroy</on_poweroff>",
                              "<on_reboot>restart</on_reboot>",
                              "<on_crash>preserve</on_crash>",
                              "<memory unit=\"GiB\">2</memory>",
                              NULL };

  g_assert_no_error (error);
  g_assert_cmpuint (metadata->disks->len, ==, 1);
  check (text, has, (const char *const[]){ NULL });
}

/* What a template says otherwise, or already.  */
static void
test_replaced (void)
{
  g_autofree char *text = make (
      DOMAIN ("<on_crash>restart</on_crash><on_reboot>destroy</on_reboot>"
              "<currentMemory unit='GiB'>1</currentMemory>",
              IMAGE ("vda"),
              DISK ("vda") "<serial type='pty'><log file='/var/log/x.log'/></serial>"
                           "<serial type='file'><source path='/x'/></serial>"
                           "<console type='pty'/>"
                           "<channel type='spicevmc'><target type='virtio'/></channel>"
                           "<channel type='unix'><target name='org.qemu.guest_agent.0'/></channel>"
                           "<panic model='hyperv'/>"),
      (TransientValues){ .memory_bytes = G_GUINT64_CONSTANT (1) << 29 });
  const char *const has[] = { "<memory unit=\"KiB\">524288</memory>",
                              "<on_crash>preserve</on_crash>",
                              "<on_reboot>restart</on_reboot>",
                              "spicevmc",
                              "<panic model=\"hyperv\"/>",
                              NULL };
  const char *const lacks[] = { "x.log",    "type=\"file\"><source path",
                                "<console", "currentMemory",
                                "\"isa\"",  ">2</memory>",
                                NULL };

  check (text, has, lacks);
  g_assert_cmpuint (count (text, "<serial"), ==, 1);
  g_assert_cmpuint (count (text, "guest_agent"), ==, 1);
}

/* A kernel that is handed to QEMU needs no firmware's boot order.  */
static void
test_kernel (void)
{
  g_autofree char *text = make ("<domain><os><kernel>/vmlinuz</kernel></os><devices/></domain>",
                                (TransientValues){ 0 });

  check (text, (const char *const[]){ "/vmlinuz", NULL }, (const char *const[]){ "bios", NULL });
}

static void
test_disk (void)
{
  g_autofree char *text =
      make (DOMAIN ("", IMAGE ("vda") IMAGE ("vdb"), DISK ("vdb") DISK ("vda") DISK ("vdc")),
            (TransientValues){ .disk = "/tmp/a&b.qcow2" });
  const char *const has[] = { "<source file=\"/tmp/a&amp;b.qcow2\"/>", "dev=\"vda\"", "dev=\"vdc\"",
                              NULL };
  const char *const lacks[] = { "urn:gild", "vdb", "desktops/pc1/vda", NULL };

  check (text, has, lacks);
}

static void
test_disk_of_no_desktop (void)
{
  const char *xml = "<domain><os/><devices/></domain>";
  TransientValues values = { .disk = "/tmp/a.qcow2" };
  g_autoptr (GError) error = NULL;

  g_assert_null (transient_xml (xml, strlen (xml), &values, &error));
  g_assert_nonnull (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/transient-xml/bad", test_bad);
  g_test_add_func ("/transient-xml/added", test_added);
  g_test_add_func ("/transient-xml/replaced", test_replaced);
  g_test_add_func ("/transient-xml/kernel", test_kernel);
  g_test_add_func ("/transient-xml/disk", test_disk);
  g_test_add_func ("/transient-xml/disk-of-no-desktop", test_disk_of_no_desktop);
  return g_test_run ();
}
