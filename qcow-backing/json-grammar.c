// SPDX-License-Identifier: GPL-2.0-or-later
// What is JSON: RFC 8259's grammar, a function for each of its rules.
//
// Each function passes over what its rule describes, or returns FALSE.

#include "json-grammar.h"

#include <string.h>

#include "fail.h"

#define DIGITS_MAX 18

typedef struct
{
  const char *at, *end;
  guint nesting_left;
} Scanner;

static gboolean pass_value (Scanner *scanner);

static gboolean
pass_char (Scanner *scanner, char c)
{
  if (scanner->at == scanner->end || *scanner->at != c)
    return FALSE;
  scanner->at++;
  return TRUE;
}

static gboolean
pass_word (Scanner *scanner, const char *word)
{
  while (*word && pass_char (scanner, *word))
    word++;
  return *word == '\0';
}

static void
pass_blank (Scanner *scanner)
{
  while (pass_char (scanner, ' ') || pass_char (scanner, '\n') || pass_char (scanner, '\r')
         || pass_char (scanner, '\t'))
    ;
}

/* Digits, one at least; *COUNT says how many.  */
static gboolean
pass_digits (Scanner *scanner, gsize *count)
{
  const char *start = scanner->at;

  while (scanner->at < scanner->end && g_ascii_isdigit (*scanner->at))
    scanner->at++;
  *count = (gsize)(scanner->at - start);
  return *count > 0;
}

static gboolean
pass_number (Scanner *scanner)
{
  gsize whole = 1, digits;

  pass_char (scanner, '-');
  if (!pass_char (scanner, '0') && !pass_digits (scanner, &whole))
    return FALSE;
  if (pass_char (scanner, '.') && !pass_digits (scanner, &digits))
    return FALSE;
  if (pass_char (scanner, 'e') || pass_char (scanner, 'E'))
    {
      if (!pass_char (scanner, '-'))
        pass_char (scanner, '+');
      if (!pass_digits (scanner, &digits))
        return FALSE;
    }
  return whole <= DIGITS_MAX;
}

/* The four digits behind "\u".  */
static gboolean
pass_hex (Scanner *scanner, guint *unit)
{
  *unit = 0;
  for (int i = 0; i < 4; i++, scanner->at++)
    {
      if (scanner->at == scanner->end || !g_ascii_isxdigit (*scanner->at))
        return FALSE;
      *unit = *unit << 4 | (guint)g_ascii_xdigit_value (*scanner->at);
    }
  return TRUE;
}

/* What follows a backslash.  */
static gboolean
pass_escape (Scanner *scanner)
{
  guint unit, second;

  if (scanner->at == scanner->end || !strchr ("\"\\/bfnrtu", *scanner->at))
    return FALSE;
  if (*scanner->at++ != 'u')
    return TRUE;
  if (!pass_hex (scanner, &unit) || unit == 0 || (unit & 0xfc00) == 0xdc00)
    return FALSE;
  if ((unit & 0xfc00) != 0xd800)
    return TRUE;
  return pass_word (scanner, "\\u") && pass_hex (scanner, &second) && (second & 0xfc00) == 0xdc00;
}

static gboolean
pass_string (Scanner *scanner)
{
  if (!pass_char (scanner, '"'))
    return FALSE;
  while (!pass_char (scanner, '"'))
    if (scanner->at == scanner->end || (guchar)*scanner->at < ' ')
      return FALSE;
    else if (*scanner->at++ == '\\' && !pass_escape (scanner))
      return FALSE;
  return TRUE;
}

static gboolean
pass_member (Scanner *scanner)
{
  pass_blank (scanner);
  if (!pass_string (scanner))
    return FALSE;
  pass_blank (scanner);
  return pass_char (scanner, ':') && pass_value (scanner);
}

/* Any number of ITEM between OPEN and CLOSE.  */
static gboolean
pass_list (Scanner *scanner, char open, char close, gboolean (*item) (Scanner *scanner))
{
  if (!pass_char (scanner, open) || scanner->nesting_left == 0)
    return FALSE;
  scanner->nesting_left--;
  pass_blank (scanner);
  if (!pass_char (scanner, close))
    {
      do
        if (!item (scanner))
          return FALSE;
      while (pass_char (scanner, ','));
      if (!pass_char (scanner, close))
        return FALSE;
    }
  scanner->nesting_left++;
  return TRUE;
}

static gboolean
pass_object (Scanner *scanner)
{
  return pass_list (scanner, '{', '}', pass_member);
}

/* A value and the blanks around it.  */
static gboolean
pass_value (Scanner *scanner)
{
  gboolean ok;

  pass_blank (scanner);
  switch (scanner->at < scanner->end ? *scanner->at : '\0')
    {
    case '{':
      ok = pass_object (scanner);
      break;
    case '[':
      ok = pass_list (scanner, '[', ']', pass_value);
      break;
    case '"':
      ok = pass_string (scanner);
      break;
    case 't':
      ok = pass_word (scanner, "true");
      break;
    case 'f':
      ok = pass_word (scanner, "false");
      break;
    case 'n':
      ok = pass_word (scanner, "null");
      break;
    default:
      ok = pass_number (scanner);
    }
  pass_blank (scanner);
  return ok;
}

gboolean
json_check_object (const char *text, gsize size, guint nesting_max, GError **error)
{
  Scanner scanner = { text, text + size, nesting_max };

  if (!g_utf8_validate_len (text, size, &scanner.at))
    return fail (error, "not a JSON object: it is not UTF-8 at byte %zu", scanner.at - text);
  scanner.at = text;
  pass_blank (&scanner);
  gboolean ok = pass_object (&scanner);
  pass_blank (&scanner);
  if (!ok || scanner.at < scanner.end)
    return fail (error, "not a JSON object: it goes wrong at byte %zu", scanner.at - text);
  return TRUE;
}
