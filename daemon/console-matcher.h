// SPDX-License-Identifier: GPL-2.0-or-later
// Finding texts in what a guest says on its serial console.
//
// What a console carries is for a terminal, so a text may come with colours and moves of the cursor
// in it: escape sequences (ECMA-48) and control characters are passed over. Bytes come in pieces
// that end anywhere.
#pragma once

#include "qcow-backing/console-text.h"

typedef struct ConsoleMatcher ConsoleMatcher;

/* A matcher for TEXTS, each of which passes console_text_check; ends with NULL.  */
ConsoleMatcher *console_matcher_new (const char *const *texts);
void console_matcher_free (ConsoleMatcher *matcher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ConsoleMatcher, console_matcher_free)

/* Take the next SIZE bytes. Returns the number of the text whose last byte came first, counted from
   0 in the order of TEXTS, and -1 where none is complete yet. From a match on it says the same.  */
int console_matcher_feed (ConsoleMatcher *matcher, const void *bytes, gsize size);
