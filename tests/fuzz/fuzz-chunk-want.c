// SPDX-License-Identifier: GPL-2.0-or-later
// What another host wants: up to 256 chunks, which are written down and read again the same.
#include "fuzz.h"

#include <string.h>

#include "network/chunk-stream.h"

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autofree ChunkWant *want = g_new0 (ChunkWant, 1), *again = g_new0 (ChunkWant, 1);
  g_autoptr (GError) error = NULL;

  if (!chunk_want_from_json ((const char *)data, size, want, &error))
    return fuzz_check_result (NULL, error);
  g_assert_true (want->n_chunks >= 1 && want->n_chunks <= CHUNK_WANT_MAX);
  g_autofree char *text = chunk_want_to_json (want);
  g_assert_true (chunk_want_from_json (text, strlen (text), again, NULL));
  g_assert_cmpmem (want, sizeof *want, again, sizeof *again);
  return fuzz_check_result (want, error);
}
