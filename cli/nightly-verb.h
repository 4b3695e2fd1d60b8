// SPDX-License-Identifier: GPL-2.0-or-later
// gild's other verbs, as a night runs them: each in a child, for a bounded time, its answer read as
// JSON.
#pragma once

#include "bounded-child.h"
#include "gild.h"

/* Run `gild ARGUMENTS --json` with VERB's configuration, for at most TIMEOUT_SECONDS; *CHILD, which
   the caller clears, has how it ended and what it said.  The object that it printed, or NULL where
   it printed none.  */
JsonNode *nightly_verb_run (const Verb *verb, const char *const *arguments, guint timeout_seconds,
                            BoundedChild *child);

/* Why CHILD, which was verb NAME, printed nothing: the last sentence of its own.  */
char *nightly_verb_complaint (const BoundedChild *child, const char *name);
