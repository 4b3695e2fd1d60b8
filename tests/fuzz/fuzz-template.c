// SPDX-License-Identifier: GPL-2.0-or-later
// A template: what is made of it is a desktop, and a template again, of which the same is made.
#include "fuzz.h"

#include <string.h>

#include "virt-hooks/metadata.h"
#include "virt-hooks/template.h"

static const TemplateValues VALUES = { "pc1", "0f0e0d0c-1111-4222-8333-444455556666", NULL, "qemu",
                                       "/run/gild" };

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *xml = template_render ((const char *)data, size, &VALUES, &error);

  if (!fuzz_check_result (xml, error))
    return FALSE;
  g_autoptr (Metadata) metadata = metadata_parse (xml, strlen (xml), VALUES.run_dir, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (metadata->name, ==, VALUES.name);
  g_autofree char *again = template_render (xml, strlen (xml), &VALUES, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (xml, ==, again);
  return TRUE;
}
