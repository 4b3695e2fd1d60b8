// SPDX-License-Identifier: GPL-2.0-or-later
// Which reads of a disk follow on others.
//
// Only reads of what is missing are seen, so a stream goes on where the chunks end that were
// fetched for it, or before, if it is faster than they are.

#include "sequential-reads.h"

#define GAP_MAX 2u // chunks that were there, or zero

/* The stream that POSITION follows on, or the one that was used least lately.  */
static SequentialStream *
find_stream (SequentialReads *reads, guint64 position, gboolean *follows)
{
  SequentialStream *oldest = &reads->streams[0];

  for (gsize i = 0; i < SEQUENTIAL_STREAMS; i++)
    {
      SequentialStream *stream = &reads->streams[i];
      *follows = stream->used > 0 && position >= stream->next && position <= stream->end + GAP_MAX;
      if (*follows)
        return stream;
      if (stream->used < oldest->used)
        oldest = stream;
    }
  return oldest;
}

SequentialStream *
sequential_reads_add (SequentialReads *reads, guint64 position, guint *count)
{
  gboolean follows;
  SequentialStream *stream = find_stream (reads, position, &follows);

  stream->used = ++reads->clock;
  stream->next = position + 1;
  if (!follows)
    {
      stream->end = stream->next;
      stream->window = 0;
      return NULL;
    }
  stream->window =
      stream->window == 0 ? SEQUENTIAL_WINDOW_MIN : MIN (stream->window * 2, SEQUENTIAL_WINDOW_MAX);
  stream->end = MAX (stream->end, stream->next);
  guint64 ahead = stream->end - stream->next;
  *count = ahead >= stream->window ? 0 : stream->window - (guint)ahead;
  return *count > 0 ? stream : NULL;
}
