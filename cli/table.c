// SPDX-License-Identifier: GPL-2.0-or-later
// A table on stdout, its columns as wide as their contents, which do nothing to a terminal.

#include "gild.h"

#include <stdio.h>

#include "qcow-backing/printable.h"

struct Table
{
  guint columns;
  GPtrArray *cells; // row after row, the headings first
};

static guint
add_cells (Table *table, const char *first, va_list args)
{
  guint n = 0;

  for (const char *cell = first; cell; cell = va_arg (args, const char *), n++)
    g_ptr_array_add (table->cells, printable_line (cell));
  return n;
}

Table *
table_new (const char *first_heading, ...)
{
  Table *table = g_new0 (Table, 1);
  va_list args;

  table->cells = g_ptr_array_new_with_free_func (g_free);
  va_start (args, first_heading);
  table->columns = add_cells (table, first_heading, args);
  va_end (args);
  return table;
}

void
table_add (Table *table, const char *first_cell, ...)
{
  va_list args;

  va_start (args, first_cell);
  guint n = add_cells (table, first_cell, args);
  va_end (args);
  g_return_if_fail (n == table->columns);
}

static glong
column_width (const Table *table, guint column)
{
  glong width = 0;

  for (guint i = column; i < table->cells->len; i += table->columns)
    width = MAX (width, g_utf8_strlen (table->cells->pdata[i], -1));
  return width;
}

void
table_print (const Table *table)
{
  for (guint i = 0; i < table->cells->len; i++)
    {
      const char *cell = table->cells->pdata[i];
      gboolean is_last = i % table->columns == table->columns - 1;
      glong padding = column_width (table, i % table->columns) - g_utf8_strlen (cell, -1);
      printf ("%s%*s%s", cell, is_last ? 0 : (int)padding, "", is_last ? "\n" : "  ");
    }
}

void
table_free (Table *table)
{
  if (!table)
    return;
  g_ptr_array_unref (table->cells);
  g_free (table);
}
