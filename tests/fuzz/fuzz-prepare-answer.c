// SPDX-License-Identifier: GPL-2.0-or-later
// gildd's answer to the hook, which is root: nothing comes out of it that was not asked for.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/desktop-limits.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/index.h"
#include "qcow-backing/json-read.h"
#include "virt-hooks/prepare-answer.h"

#define URI_START "nbd+unix:///"
#define URI_END   "?socket=/run/gild/nbd.sock"
#define DISK(target)                                                                               \
  "<disk><driver type='qcow2' error_policy='stop' rerror_policy='stop'/>"                          \
  "<source file='/run/gild/desktops/pc1/" target ".qcow2'/><target dev='" target "'/></disk>"

static const char DOMAIN[] =
    "<domain><name>pc1</name><uuid>edd5e4b8-8559-87f6-bdda-8c30c5d16b3c</uuid><metadata>"
    "<g:desktop xmlns:g='urn:gild:desktop:1'><g:disk target='vda' image='a/b'/>"
    "<g:disk target='vdb' image='a/c' version='5'/></g:desktop></metadata>"
    "<devices>" DISK ("vda") DISK ("vdb") "</devices></domain>";

/* DISK is WANTED, and its backing a version of that image at our socket.  */
static void
check_disk (const PrepareDisk *disk, const MetadataDisk *wanted)
{
  g_autofree char *image = NULL;
  guint version;

  g_assert_cmpstr (disk->target, ==, wanted->target);
  g_assert_true (disk->virtual_size_bytes >= 1
                 && disk->virtual_size_bytes <= INDEX_VIRTUAL_SIZE_MAX);
  g_assert_true (g_str_has_prefix (disk->backing, URI_START));
  g_assert_true (g_str_has_suffix (disk->backing, URI_END));
  g_autofree char *ref = g_strndup (disk->backing + strlen (URI_START),
                                    strlen (disk->backing) - strlen (URI_START URI_END));
  g_assert_true (image_ref_parse (ref, &image, &version, NULL));
  g_assert_cmpstr (image, ==, wanted->image);
  g_assert_true (wanted->version == 0 || version == wanted->version);
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (Metadata) metadata = metadata_parse (DOMAIN, strlen (DOMAIN), "/run/gild", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_read_object ((const char *)data, size, NULL, &error);

  if (!fuzz_check_result (node, error))
    return FALSE;
  g_autoptr (PrepareAnswer) answer =
      prepare_answer_read (json_node_get_object (node), metadata, "/run/gild/nbd.sock", &error);
  if (!fuzz_check_result (answer, error))
    return FALSE;
  g_assert_true (answer->overlay_bytes >= DESKTOP_OVERLAY_MIN
                 && answer->overlay_bytes <= DESKTOP_SIZE_MAX);
  g_assert_cmpuint (answer->disks->len, ==, metadata->disks->len);
  for (guint i = 0; i < answer->disks->len; i++)
    check_disk (answer->disks->pdata[i], metadata->disks->pdata[i]);
  return TRUE;
}
