// SPDX-License-Identifier: GPL-2.0-or-later
// A fuzz target: a reader of bytes that others wrote, and what has to hold whatever they are.
//
// fuzz-NAME.c defines fuzz_input.  With run-seeds.c it is a test, which gives it each of
// seeds/NAME; with libfuzzer.c, by `make fuzz`, it is searched for bytes that break it.
#pragma once

#include <glib.h>

/* Read SIZE bytes at DATA, and abort if anything that the reader promises does not hold.  Whether
   it took them for good.  */
gboolean fuzz_input (const guint8 *data, gsize size);

/* What holds of every reader: WHAT was read, or there is an ERROR that can be printed.  Returns
   whether it was read.  */
gboolean fuzz_check_result (gconstpointer what, const GError *error);
