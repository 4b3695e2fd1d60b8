// SPDX-License-Identifier: GPL-2.0-or-later
// gild images --du: what versions cost the store.
#pragma once

#include "gild.h"

/* Print what each version of IMAGE, or with NULL of every image, and each image costs alone.  */
gboolean image_usage_print (const Verb *verb, const char *image, GError **error);
