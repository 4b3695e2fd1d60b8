// SPDX-License-Identifier: GPL-2.0-or-later
// Which reads of a disk follow on others: what comes next can be fetched before it is asked for.
#pragma once

#include <glib.h>

/* One who reads on and on.  */
typedef struct
{
  guint64 next; // behind its last read
  guint64 end;  // behind what was fetched for it
  guint window; // chunks to fetch beforehand; 0: nothing has followed yet
  guint64 used; // when, by SequentialReads.clock
} SequentialStream;

#define SEQUENTIAL_STREAMS    8
#define SEQUENTIAL_WINDOW_MIN 8u
#define SEQUENTIAL_WINDOW_MAX 64u

/* The readers of one disk that were there last; all zero at first.  */
typedef struct
{
  SequentialStream streams[SEQUENTIAL_STREAMS];
  guint64 clock;
} SequentialReads;

/* Chunk POSITION was asked for.  If that follows on another read, *COUNT chunks are to be fetched
   from the stream's END on, and END is to be set behind them; NULL if there is nothing to fetch. */
SequentialStream *sequential_reads_add (SequentialReads *reads, guint64 position, guint *count);
