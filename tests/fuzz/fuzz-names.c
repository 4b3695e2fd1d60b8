// SPDX-License-Identifier: GPL-2.0-or-later
// Names, versions, sizes and ids: each is taken exactly where the header's expression matches.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/chunk-id.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/size.h"

#define PART   "[a-z0-9][a-z0-9._-]{0,62}"
#define NUMBER "[1-9][0-9]{0,8}"

static gboolean
matches (const char *text, const char *expression)
{
  return g_regex_match_simple (expression, text, G_REGEX_RAW | G_REGEX_DOLLAR_ENDONLY, 0);
}

/* The checks of names alone.  */
static gboolean
check_names (const char *text)
{
  static const struct
  {
    gboolean (*check) (const char *text, GError **error);
    const char *expression;
  } CHECKS[] = {
    { image_name_check, "^" PART "/" PART "$" },
    { channel_name_check, "^[a-z][a-z0-9-]{0,31}$" },
    { desktop_name_check, "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}(?<!\\.json)$" },
    { disk_target_check, "^[a-z][a-z0-9]{0,14}$" },
  };
  gboolean is_any = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (CHECKS); i++)
    {
      g_autoptr (GError) error = NULL;
      gboolean ok = CHECKS[i].check (text, &error);
      fuzz_check_result (ok ? text : NULL, error);
      g_assert_cmpint (ok, ==, matches (text, CHECKS[i].expression));
      is_any |= ok;
    }
  return is_any;
}

static gboolean
check_reference (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *image = NULL;
  guint version = 0;
  gboolean ok = image_ref_parse (text, &image, &version, &error);

  fuzz_check_result (ok ? text : NULL, error);
  g_assert_cmpint (ok, ==, matches (text, "^" PART "/" PART "(@" NUMBER ")?$"));
  if (!ok)
    return FALSE;
  g_autofree char *again = version ? g_strdup_printf ("%s@%u", image, version) : g_strdup (image);
  g_assert_cmpstr (text, ==, again);
  return TRUE;
}

static gboolean
check_size (const char *text)
{
  g_autoptr (GError) error = NULL;
  guint64 bytes = 7, again;
  gboolean ok = size_parse (text, &bytes, &error);

  fuzz_check_result (ok ? text : NULL, error);
  g_assert_true (!ok || matches (text, "^[0-9]+([KMGT]i)?B?$"));
  g_assert_true (ok || bytes == 7);
  g_assert_true (ok || strlen (text) > 8 || !matches (text, "^[0-9]+(B|[KMGT]iB)?$"));
  if (!ok)
    return FALSE;
  g_autofree char *written = g_strdup_printf ("%" G_GUINT64_FORMAT "B", bytes);
  g_autofree char *shown = size_format (bytes);
  g_assert_true (size_parse (written, &again, NULL) && again == bytes && shown[0]);
  return TRUE;
}

static gboolean
check_id (const char *text)
{
  char hex[CHUNK_HEX_SIZE];
  ChunkId id;
  gboolean ok = chunk_id_from_hex (text, &id);

  g_assert_cmpint (ok, ==, matches (text, "^[0-9a-f]{64}$"));
  if (!ok)
    return FALSE;
  chunk_id_to_hex (&id, hex);
  g_assert_cmpstr (text, ==, hex);
  return TRUE;
}

static gboolean
check_version (const char *text)
{
  guint version;
  gboolean ok = version_parse (text, &version, NULL);

  g_assert_cmpint (ok, ==, matches (text, "^" NUMBER "$"));
  return ok;
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *)data, size);
  gboolean is_any = check_names (text);

  is_any |= check_reference (text);
  is_any |= check_version (text);
  is_any |= check_size (text);
  is_any |= check_id (text);
  return is_any;
}
