// SPDX-License-Identifier: GPL-2.0-or-later
// JSON: what the standard does not have, json-glib takes or not, is refused; what it has is read.

#include <string.h>

#include "qcow-backing/json-read.h"

#define NEST15(open) open open open open open open open open open open open open open open open

static const struct
{
  const char *name, *text;
  gsize size; // 0: to the NUL
} BAD[] = {
  { "empty", "" },
  { "blank", " \n" },
  { "array", "[1]" },
  { "string", "\"a\"" },
  { "cut-short", "{\"a\": \"b" },
  { "cut-in-escape", "{\"a\": \"\\u12" },
  { "cut-behind-backslash", "{\"a\": \"\\" },
  { "not-closed", "{\"a\": [1}" },
  { "nul-behind", "{}\0", 3 },
  { "two", "{\"a\": 1} {\"b\": 2}" },
  { "word-behind", "{} x" },
  { "variable", "var a = {\"b\": 1};" },
  { "comment", "{\"a\": /* [ */ 1}" },
  { "line-comment", "{} // x" },
  { "hash-comment", "{} # x" },
  { "other-quotes", "{'a': 1}" },
  { "no-quotes", "{a: 1}" },
  { "comma", "{\"a\": 1,}" },
  { "no-comma", "{\"a\": 1 \"b\": 2}" },
  { "comma-in-array", "{\"a\": [1,]}" },
  { "no-value", "{\"a\": }" },
  { "no-colon", "{\"a\" 1}" },
  { "octal", "{\"a\": 010}" },
  { "hexadecimal", "{\"a\": 0x10}" },
  { "dollar", "{\"a\": $ff}" },
  { "plus", "{\"a\": +1}" },
  { "no-whole-part", "{\"a\": .5}" },
  { "no-fraction", "{\"a\": 1.}" },
  { "no-exponent", "{\"a\": 1e}" },
  { "minus-alone", "{\"a\": -}" },
  { "wraps-to-one", "{\"a\": -18446744073709551615}" },
  { "19-digits", "{\"a\": 1000000000000000000}" },
  { "upper-case", "{\"a\": TRUE}" },
  { "half-a-word", "{\"a\": tru}" },
  { "nul-in-string", "{\"a\": \"x\\u0000y\"}" },
  { "newline-in-string", "{\"a\": \"x\ny\"}" },
  { "escape", "{\"a\": \"\\x41\"}" },
  { "lone-surrogate", "{\"a\": \"\\ud800\"}" },
  { "half-a-pair", "{\"a\": \"\\ud800\\u0041\"}" },
  { "second-surrogate", "{\"a\": \"\\udc00\"}" },
  { "no-utf8", "{\"a\": \"\xff\"}" },
  { "byte-order-mark", "\xef\xbb\xbf{}" },
  { "deep", "{\"a\":" NEST15 ("[") "[]" NEST15 ("]") "}" },
  { "deep-objects", NEST15 ("{\"a\":") "{\"a\":{}}" NEST15 ("}") },
};

static void
test_bad (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  gsize size = BAD[i].size ? BAD[i].size : strlen (BAD[i].text);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_read_object (BAD[i].text, size, NULL, &error);

  g_assert_null (node);
  g_assert_true (g_str_has_prefix (error->message, "not a JSON object: it "));
}

static const struct
{
  const char *name, *text, *written;
} GOOD[] = {
  { "empty", "{}", "{}" },
  { "blanks", "\t\r\n{ \"a\" :\n[ ] , \"\" : { } } ", "{\"a\":[],\"\":{}}" },
  { "words", "{\"a\":[true,false,null]}", "{\"a\":[true,false,null]}" },
  { "numbers", "{\"a\":[0,-1,999999999999999999,-999999999999999999]}",
    "{\"a\":[0,-1,999999999999999999,-999999999999999999]}" },
  { "fractions", "{\"a\":[0.5,-1.5E+3,25e-1]}", "{\"a\":[0.5,-1500.0,2.5]}" },
  { "escapes", "{\"a\":\"\\\"\\\\\\/\\u00fc\\ud83d\\ude00\"}",
    "{\"a\":\"\\\"\\\\/\xc3\xbc\xf0\x9f\x98\x80\"}" },
  { "twice", "{\"a\":1,\"a\":2}", "{\"a\":2}" },
  { "deep", "{\"a\":" NEST15 ("[") NEST15 ("]") "}", "{\"a\":" NEST15 ("[") NEST15 ("]") "}" },
};

static void
test_good (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_read_object (GOOD[i].text, strlen (GOOD[i].text), NULL, &error);

  g_assert_no_error (error);
  g_autofree char *written = json_to_string (node, FALSE);
  g_assert_cmpstr (written, ==, GOOD[i].written);
}

/* The error says where.  */
static void
test_position (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (json_read_object ("{\"a\": 010}", 10, NULL, &error));
  g_assert_cmpstr (error->message, ==, "not a JSON object: it goes wrong at byte 7");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autofree char *path = g_strconcat ("/json/bad/", BAD[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_bad);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (GOOD); i++)
    {
      g_autofree char *path = g_strconcat ("/json/good/", GOOD[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_good);
    }
  g_test_add_func ("/json/position", test_position);
  return g_test_run ();
}
