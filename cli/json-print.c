// SPDX-License-Identifier: GPL-2.0-or-later
// What --json prints.

#include "gild.h"

#include <stdio.h>

#include "qcow-backing/json-read.h"

void
json_print_object (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);
  g_autofree char *text = json_write (node);

  fputs (text, stdout);
}
