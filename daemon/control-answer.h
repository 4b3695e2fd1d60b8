// SPDX-License-Identifier: GPL-2.0-or-later
// An answer of gildd as it comes in: HTTP/1.1, as little of it as gildd speaks.
#pragma once

#include <glib.h>

#include "control-client.h"

/* Start with { .bytes = an empty string, .body_size = -1 }.  */
typedef struct
{
  GString *bytes;   // all that came
  gsize head_size;  // with the empty line that ends it; 0 until it is there
  guint status;     // the three digits
  gssize body_size; // -1: up to the connection's end
} ControlAnswer;

/* Take in the COUNT bytes that came, 0 being the connection's end; sets *DONE when the answer is
   whole.  Fails with CONTROL_ERROR_PROTOCOL where what came is no answer of gildd.  */
gboolean control_answer_add (ControlAnswer *answer, const char *bytes, gsize count, gboolean *done,
                             GError **error);

/* What the whole ANSWER says: its object, or CONTROL_ERROR_REFUSED with gildd's sentence.  */
JsonNode *control_answer_read (const ControlAnswer *answer, GError **error);
