// SPDX-License-Identifier: GPL-2.0-or-later
// What lets a host in: a token, a request to join, a file with keys.
#include "fuzz.h"

#include <string.h>

#include "network/admission.h"
#include "network/join-token.h"
#include "network/key-file.h"
#include "qcow-backing/json-read.h"

/* A token has one spelling.  */
static gboolean
check_token (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JoinToken) token = join_token_parse (text, &error);

  if (!fuzz_check_result (token, error))
    return FALSE;
  g_autofree char *again = join_token_format (token);
  g_autoptr (JoinToken) same = join_token_parse (again, &error);
  g_assert_true (fuzz_check_result (same, error));
  g_assert_cmpstr (token->address, ==, same->address);
  g_assert_cmpuint (token->port, ==, same->port);
  g_assert_cmpmem (token->secret, sizeof token->secret, same->secret, sizeof same->secret);
  return TRUE;
}

/* A host that is no publisher lets nobody in, whatever is asked.  */
static gboolean
check_request (const char *data, gsize size)
{
  static const Config NOWHERE = { .state_dir = (char *)"/nonexistent/gild" };
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_read_object (data, size, NULL, NULL);
  JsonObject *object = node ? json_node_get_object (node) : NULL;
  g_autoptr (JsonObject) answer = admission_join (&NOWHERE, "", object, &error);

  g_assert_false (fuzz_check_result (answer, error));
  // What it says of what makes sense: it is no publisher.
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static gboolean
check_key_file (const char *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (KeyFile) file = key_file_parse (data, size, &error);

  return fuzz_check_result (file, error);
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *)data, size);
  gboolean is_any = check_token (text);

  is_any |= check_request ((const char *)data, size);
  is_any |= check_key_file ((const char *)data, size);
  return is_any;
}
