// SPDX-License-Identifier: GPL-2.0-or-later
// A template: what is made of it is a desktop, and a template again, of which the same is made.
#include "fuzz.h"

#include <string.h>

#include "virt-hooks/metadata.h"
#include "virt-hooks/template.h"

static const TemplateValues VALUES = { "pc1",       "0f0e0d0c-1111-4222-8333-444455556666",
                                       NULL,        "qemu",
                                       "/run/gild", 0 };
static const TemplateValues WITH_IMAGE = { "PC-2",      "0f0e0d0c-1111-4222-8333-444455556666",
                                           "x/y",       "kvm",
                                           "/run/gild", 0 };

/* Whether a desktop of VALUES is made of SIZE bytes at DATA.  */
static gboolean
check_values (const guint8 *data, gsize size, const TemplateValues *values)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *xml = template_render ((const char *)data, size, values, &error);

  if (!fuzz_check_result (xml, error))
    return FALSE;
  g_autoptr (Metadata) metadata = metadata_parse (xml, strlen (xml), values->run_dir, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (metadata->name, ==, values->name);
  const MetadataDisk *first = metadata->disks->pdata[0];
  g_assert_true (!values->image
                 || (g_str_equal (first->image, values->image) && first->version == 0));
  g_autofree char *again = template_render (xml, strlen (xml), values, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (xml, ==, again);
  return TRUE;
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  gboolean is_good = check_values (data, size, &VALUES);

  g_assert_true (check_values (data, size, &WITH_IMAGE) || !is_good);
  return is_good;
}
