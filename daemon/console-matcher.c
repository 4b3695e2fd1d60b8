// SPDX-License-Identifier: GPL-2.0-or-later
// Finding texts in what a guest says on its serial console.
//
// Knuth, Morris and Pratt's automaton for each text, so that a guest that says much costs a step
// for each byte and text, and no byte is kept.

#include "console-matcher.h"

#include <string.h>

#define ESCAPE 0x1b
#define BELL   0x07
// A sequence that goes on for longer is no sequence: a guest that has begun one by mistake is heard
// again.
#define SEQUENCE_MAX 128

typedef enum
{
  PLAIN,
  ESCAPED,        // behind ESC
  CONTROL,        // in ESC [ ... final byte
  CONTROL_STRING, // in ESC ] ... and its like, up to BEL or ESC backslash
} SequenceState;

typedef struct
{
  const char *text; // the matcher's own
  gsize length, matched;
  guint8 back[CONSOLE_TEXT_MAX + 1]; // how much still matches where the next byte does not
} Pattern;

struct ConsoleMatcher
{
  char **texts;
  Pattern *patterns;
  gsize n_patterns;
  SequenceState state;
  guint sequence_length;
  int found; // -1: none
};

static void
pattern_init (Pattern *pattern, const char *text)
{
  gsize length = strlen (text), k = 0;

  *pattern = (Pattern){ .text = text, .length = length };
  for (gsize i = 1; i < length; i++)
    {
      while (k > 0 && text[i] != text[k])
        k = pattern->back[k];
      if (text[i] == text[k])
        k++;
      pattern->back[i + 1] = (guint8)k;
    }
}

/* Whether BYTE completes PATTERN.  */
static gboolean
pattern_step (Pattern *pattern, char byte)
{
  while (pattern->matched > 0 && byte != pattern->text[pattern->matched])
    pattern->matched = pattern->back[pattern->matched];
  if (byte == pattern->text[pattern->matched])
    pattern->matched++;
  return pattern->matched == pattern->length;
}

ConsoleMatcher *
console_matcher_new (const char *const *texts)
{
  ConsoleMatcher *matcher = g_new0 (ConsoleMatcher, 1);

  matcher->texts = g_strdupv ((char **)texts);
  matcher->n_patterns = g_strv_length (matcher->texts);
  matcher->patterns = g_new0 (Pattern, matcher->n_patterns);
  matcher->found = -1;
  for (gsize i = 0; i < matcher->n_patterns; i++)
    pattern_init (&matcher->patterns[i], matcher->texts[i]);
  return matcher;
}

void
console_matcher_free (ConsoleMatcher *matcher)
{
  if (!matcher)
    return;
  g_strfreev (matcher->texts);
  g_free (matcher->patterns);
  g_free (matcher);
}

/* The state behind BYTE of an escape sequence.  */
static SequenceState
follow_sequence (const ConsoleMatcher *matcher, guint8 byte)
{
  if (byte == ESCAPE)
    return ESCAPED; // ends what was, also a control string by ESC backslash
  if (byte == '\n' || matcher->sequence_length > SEQUENCE_MAX)
    return PLAIN;
  switch (matcher->state)
    {
    case ESCAPED:
      if (byte == '[')
        return CONTROL;
      if (byte == ']' || byte == 'P' || byte == 'X' || byte == '^' || byte == '_')
        return CONTROL_STRING;
      return byte >= 0x20 && byte <= 0x2f ? ESCAPED : PLAIN; // ESC ( B
    case CONTROL:
      return byte >= 0x40 && byte <= 0x7e ? PLAIN : CONTROL;
    case CONTROL_STRING:
      return byte == BELL ? PLAIN : CONTROL_STRING;
    case PLAIN:
      break;
    }
  return PLAIN;
}

/* Whether BYTE is for the eye.  */
static gboolean
is_visible (ConsoleMatcher *matcher, guint8 byte)
{
  if (matcher->state == PLAIN && byte != ESCAPE)
    return byte == '\n' || (byte >= 0x20 && byte != 0x7f);
  matcher->sequence_length = matcher->state == PLAIN ? 0 : matcher->sequence_length + 1;
  matcher->state = follow_sequence (matcher, byte);
  return FALSE;
}

int
console_matcher_feed (ConsoleMatcher *matcher, const void *bytes, gsize size)
{
  const guint8 *at = bytes;

  for (gsize i = 0; i < size && matcher->found < 0; i++)
    for (gsize j = 0, visible = is_visible (matcher, at[i]); visible && j < matcher->n_patterns;
         j++)
      if (pattern_step (&matcher->patterns[j], (char)at[i]) && matcher->found < 0)
        matcher->found = (int)j;
  return matcher->found;
}
