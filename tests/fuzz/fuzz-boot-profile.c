// SPDX-License-Identifier: GPL-2.0-or-later
// A boot profile, which any host of the site may send: bounded, distinct, and written again it
// reads the same.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/boot-profile.h"
#include "qcow-backing/image-name.h"

static void
check_sound (const BootProfile *profile)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  GArray *positions = profile->positions;

  g_assert_true (image_name_check (profile->image, NULL));
  g_assert_true (profile->version >= 1 && profile->version <= VERSION_MAX);
  g_assert_cmpuint (profile->boots, <=, BOOT_PROFILE_BOOTS_MAX);
  g_assert_true (positions->len >= 1 && positions->len <= BOOT_PROFILE_POSITIONS_MAX);
  for (guint i = 0; i < positions->len; i++)
    g_assert_true (
        g_hash_table_add (seen, GUINT_TO_POINTER (g_array_index (positions, guint32, i))));
  g_assert_true (boot_profile_fits (profile, INDEX_VIRTUAL_SIZE_MAX / CHUNK_SIZE));
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BootProfile) profile = boot_profile_from_json ((const char *)data, size, &error);

  if (!fuzz_check_result (profile, error))
    return FALSE;
  check_sound (profile);
  g_autofree char *text = boot_profile_to_json (profile);
  g_autoptr (BootProfile) again = boot_profile_from_json (text, strlen (text), &error);
  g_assert_no_error (error);
  g_autofree char *text_again = boot_profile_to_json (again);
  g_assert_cmpstr (text, ==, text_again);
  boot_profile_merge (profile, again);
  check_sound (profile);
  return TRUE;
}
