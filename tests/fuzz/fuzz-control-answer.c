// SPDX-License-Identifier: GPL-2.0-or-later
// An answer at the control socket: what it says does not depend on the pieces that it comes in.
#include "fuzz.h"

#include <string.h>

#include "daemon/control-answer.h"

/* What SIZE bytes at DATA say when they come in pieces of PIECE bytes.  */
static JsonNode *
receive (const guint8 *data, gsize size, gsize piece, GError **error)
{
  g_autoptr (GString) bytes = g_string_new (NULL);
  ControlAnswer answer = { .bytes = bytes, .body_size = -1 };
  gboolean done = FALSE;
  gsize at = 0;

  while (!done)
    {
      gsize count = MIN (piece, size - at);
      if (!control_answer_add (&answer, (const char *)data + at, count, &done, error))
        return NULL;
      g_assert_true (done || count > 0);
      at += count;
    }
  g_assert_cmpuint (answer.head_size, <=, answer.bytes->len);
  g_assert_true (answer.status >= 200 && answer.status <= 599);
  return control_answer_read (&answer, error);
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL, piece_error = NULL;
  g_autoptr (JsonNode) node = receive (data, size, MAX (size, 1), &error);

  if (!fuzz_check_result (node, error))
    {
      g_assert_true (error->domain == CONTROL_ERROR);
      if (error->code != CONTROL_ERROR_REFUSED)
        return FALSE;
    }
  // In pieces it may also be good: the client then does not wait for what comes after its end.
  g_autoptr (JsonNode) in_pieces = receive (data, size, 1, &piece_error);
  g_assert_cmpstr (error ? error->message : NULL, ==, piece_error ? piece_error->message : NULL);
  g_assert_true (!node || json_node_equal (node, in_pieces));
  return TRUE;
}
