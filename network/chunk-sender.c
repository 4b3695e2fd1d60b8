// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks for other hosts: those that are here, and those that are fetched on their behalf.
//
// A stream is written by libmicrohttpd's threads, which ask for as many bytes as there is room for.
// First go the chunks that are here, in the order of the want, and then the others, each when it
// has come.  A chunk that is fetched is only noted by the fetcher's thread, and read from the store
// when its turn has come: so a stream holds one chunk at a time, however many it wants.

#include "chunk-sender.h"

#include <string.h>

#include "token-bucket.h"

#define FORWARDED_MAX    4096 // chunks that are fetched for others at a time
#define UPLOAD_BURST_MIN (128u << 10)
#define WAITING_USEC     ((gint64)CHUNK_STREAM_WAITING_MSEC * 1000)

struct ChunkSender
{
  int references; // atomic; the thread sanitizer does not see into a gatomicrefcount
  ChunkStore *store;
  SiteClock *clock;
  const SiteServerCalls *calls;
  gboolean is_limited;
  GMutex upload_lock; // guards upload
  TokenBucket upload;
  int n_forwarded; // atomic
};

/* An answer, shared by the connection and by each fetch for it.  */
typedef struct
{
  int references; // atomic
  ChunkSender *sender;
  SiteWait wait;
  ChunkId *chunks;
  guint n_chunks;
  guint n_here;  // the first of chunks are in the store, as it seems, the others are fetched
  guint n_taken; // so many of the first were looked at
  GMutex lock;   // guards n_fetching and fetched
  guint n_fetching;
  GArray *fetched; // of Fetched, which came and were not looked at yet
  // The rest is the connection's.
  gint64 sent_us; // when something was sent
  gboolean is_paid;
  gsize size, at; // of record, how much of it was sent
  guint8 record[CHUNK_STREAM_HEAD_SIZE + CHUNK_FRAME_SIZE_MAX];
} Stream;

typedef struct
{
  ChunkId id;
  gboolean is_here;
} Fetched;

ChunkSender *
chunk_sender_new (ChunkStore *store, guint64 upload_limit, SiteClock *clock,
                  const SiteServerCalls *calls)
{
  ChunkSender *sender = g_new0 (ChunkSender, 1);

  sender->references = 1;
  sender->store = store;
  sender->clock = site_clock_ref (clock);
  sender->calls = calls;
  g_mutex_init (&sender->upload_lock);
  sender->is_limited = upload_limit > 0;
  if (sender->is_limited)
    token_bucket_init (&sender->upload, upload_limit, MAX (upload_limit / 4, UPLOAD_BURST_MIN),
                       g_get_monotonic_time ());
  return sender;
}

ChunkSender *
chunk_sender_ref (ChunkSender *sender)
{
  g_atomic_int_inc (&sender->references);
  return sender;
}

void
chunk_sender_unref (ChunkSender *sender)
{
  if (!g_atomic_int_dec_and_test (&sender->references))
    return;
  chunk_store_free (sender->store);
  site_clock_unref (sender->clock);
  g_mutex_clear (&sender->upload_lock);
  g_free (sender);
}

/* Read chunk ID as it lies in the store; its size, -1 where it is not there or is no chunk.  */
static gssize
read_frame (ChunkSender *sender, const ChunkId *id, guint8 frame[CHUNK_FRAME_SIZE_MAX])
{
  gssize size = chunk_store_read_frame (sender->store, id, frame, CHUNK_FRAME_SIZE_MAX);

  return size > 0 ? size : -1;
}

/* Count SIZE bytes as sent and return 0, or the microseconds to wait before asking again.  */
static gint64
pay (ChunkSender *sender, gsize size)
{
  if (!sender->is_limited)
    return 0;
  g_mutex_lock (&sender->upload_lock);
  gint64 wait_us = token_bucket_take (&sender->upload, size, g_get_monotonic_time ());
  g_mutex_unlock (&sender->upload_lock);
  return wait_us;
}

static Stream *
ref_stream (Stream *stream)
{
  g_atomic_int_inc (&stream->references);
  return stream;
}

static void
unref_stream (gpointer data)
{
  Stream *stream = data;

  if (!g_atomic_int_dec_and_test (&stream->references))
    return;
  chunk_sender_unref (stream->sender);
  g_free (stream->chunks);
  g_array_unref (stream->fetched);
  g_mutex_clear (&stream->lock);
  g_free (stream);
}

static void
on_fetched (const ChunkId *id, const GError *error, gpointer data)
{
  Stream *stream = data;
  Fetched fetched = { *id, error == NULL };

  g_atomic_int_add (&stream->sender->n_forwarded, -1);
  g_mutex_lock (&stream->lock);
  stream->n_fetching--;
  g_array_append_val (stream->fetched, fetched);
  g_mutex_unlock (&stream->lock);
  site_clock_wake (stream->sender->clock, &stream->wait);
  unref_stream (stream);
}

/* Fetch chunk ID, or say that it cannot be had where too many are fetched already.  */
static void
fetch (Stream *stream, const ChunkId *id, gboolean ahead)
{
  ChunkSender *sender = stream->sender;

  if (g_atomic_int_add (&sender->n_forwarded, 1) < FORWARDED_MAX)
    {
      sender->calls->want (sender->calls->data, id, ahead, on_fetched, ref_stream (stream));
      return;
    }
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY, "too many");
  on_fetched (id, error, ref_stream (stream));
}

/* Put the chunks of WANT that are here first, and fetch the others.  */
static void
begin (Stream *stream, const ChunkWant *want)
{
  ChunkStore *store = stream->sender->store;
  guint n_missing = 0;

  stream->chunks = g_new (ChunkId, want->n_chunks);
  stream->n_chunks = want->n_chunks;
  for (guint i = 0; i < want->n_chunks; i++)
    if (!want->forward || chunk_store_has (store, &want->chunks[i]))
      stream->chunks[stream->n_here++] = want->chunks[i];
    else
      stream->chunks[want->n_chunks - ++n_missing] = want->chunks[i];
  stream->n_fetching = n_missing;
  for (guint i = 1; i <= n_missing; i++) // the first that is wanted stands last
    fetch (stream, &stream->chunks[want->n_chunks - i], want->ahead);
}

/* Make the record for ID; IS_HERE: look for it.  */
static void
load (Stream *stream, const ChunkId *id, gboolean is_here)
{
  gssize size =
      is_here ? read_frame (stream->sender, id, stream->record + CHUNK_STREAM_HEAD_SIZE) : -1;

  chunk_stream_write_head (id, size > 0 ? (guint32)size : 0, stream->record);
  stream->size = CHUNK_STREAM_HEAD_SIZE + (size > 0 ? (gsize)size : 0);
  stream->at = 0;
  stream->is_paid = FALSE;
}

/* Make the next record, if there is one by now; *IS_END: there will be none.  */
static gboolean
load_next (Stream *stream, gboolean *is_end)
{
  Fetched fetched;

  if (stream->n_taken < stream->n_here)
    {
      load (stream, &stream->chunks[stream->n_taken++], TRUE);
      return TRUE;
    }
  g_mutex_lock (&stream->lock);
  gboolean is_there = stream->fetched->len > 0;
  *is_end = !is_there && stream->n_fetching == 0;
  if (is_there)
    {
      fetched = g_array_index (stream->fetched, Fetched, 0);
      g_array_remove_index (stream->fetched, 0);
    }
  g_mutex_unlock (&stream->lock);
  if (is_there)
    load (stream, &fetched.id, fetched.is_here);
  return is_there;
}

/* Write into BUFFER what can be sent now; how much that is.  Where it is nothing, *IS_END says
   whether all was sent, and *WAIT_US is when to look again.  */
static gsize
write_records (Stream *stream, char *buffer, gsize room, gboolean *is_end, gint64 *wait_us)
{
  gsize filled = 0;

  *is_end = FALSE;
  *wait_us = WAITING_USEC;
  while (filled < room && (stream->at < stream->size || load_next (stream, is_end)))
    {
      if (!stream->is_paid)
        {
          gint64 pay_us = pay (stream->sender, stream->size);
          *wait_us = pay_us > 0 ? MIN (pay_us, WAITING_USEC) : WAITING_USEC;
          if (pay_us > 0)
            break;
          stream->is_paid = TRUE;
        }
      gsize count = MIN (stream->size - stream->at, room - filled);
      memcpy (buffer + filled, stream->record + stream->at, count);
      stream->at += count;
      filled += count;
    }
  return filled;
}

/* MHD_ContentReaderCallback */
static ssize_t
read_stream (void *data, uint64_t position, char *buffer, size_t room)
{
  Stream *stream = data;
  SiteClock *clock = stream->sender->clock;
  gboolean is_end;
  gint64 wait_us;

  for (;;)
    {
      gsize filled = write_records (stream, buffer, room, &is_end, &wait_us);
      gint64 now_us = g_get_monotonic_time ();
      gint64 waiting_us = stream->sent_us + WAITING_USEC - now_us; // until it is to be said
      if (filled == 0 && is_end)
        return MHD_CONTENT_READER_END_OF_STREAM;
      if (filled == 0 && waiting_us <= 0 && room >= CHUNK_STREAM_HEAD_SIZE)
        {
          chunk_stream_write_head (NULL, 0, (guint8 *)buffer);
          filled = CHUNK_STREAM_HEAD_SIZE;
        }
      if (filled > 0)
        {
          stream->sent_us = now_us;
          return (ssize_t)filled;
        }
      if (site_clock_is_stopped (clock))
        return MHD_CONTENT_READER_END_WITH_ERROR;
      if (site_clock_suspend (clock, &stream->wait, CLAMP (waiting_us, 1000, wait_us)))
        return 0;
    }
}

/* The whole answer to a host that wants ID alone, if that is here.  This is what a guest's reads
   make: without chunked encoding and a thread that is woken for the end it costs less.  */
static struct MHD_Response *
answer_one (ChunkSender *sender, const ChunkId *id)
{
  guint8 record[CHUNK_STREAM_HEAD_SIZE + CHUNK_FRAME_SIZE_MAX];
  gssize size = read_frame (sender, id, record + CHUNK_STREAM_HEAD_SIZE);

  if (size < 0 || pay (sender, (gsize)size) > 0)
    return NULL;
  chunk_stream_write_head (id, (guint32)size, record);
  gsize record_size = CHUNK_STREAM_HEAD_SIZE + (gsize)size;
  return MHD_create_response_from_buffer_with_free_callback (
      record_size, g_memdup2 (record, record_size), g_free);
}

struct MHD_Response *
chunk_sender_stream (ChunkSender *sender, struct MHD_Connection *connection, const ChunkWant *want)
{
  struct MHD_Response *one = want->n_chunks == 1 ? answer_one (sender, &want->chunks[0]) : NULL;

  if (one)
    return one;
  Stream *stream = g_new (Stream, 1);
  stream->references = 1;
  stream->sender = chunk_sender_ref (sender);
  site_wait_init (&stream->wait, connection);
  stream->n_here = stream->n_taken = 0;
  g_mutex_init (&stream->lock);
  stream->fetched = g_array_new (FALSE, FALSE, sizeof (Fetched));
  stream->sent_us = g_get_monotonic_time ();
  stream->size = stream->at = 0;
  begin (stream, want);
  return MHD_create_response_from_callback (MHD_SIZE_UNKNOWN, CHUNK_FRAME_SIZE_MAX, read_stream,
                                            stream, unref_stream);
}

ChunkSenderResult
chunk_sender_send (ChunkSender *sender, SiteWait *wait, const ChunkId *id,
                   struct MHD_Response **response)
{
  g_autofree guint8 *frame = g_malloc (CHUNK_FRAME_SIZE_MAX);
  gssize size = read_frame (sender, id, frame);
  gint64 wait_us;

  if (size < 0)
    return CHUNK_SENDER_MISSING;
  while ((wait_us = pay (sender, (gsize)size)) > 0 && !site_clock_is_stopped (sender->clock))
    if (site_clock_suspend (sender->clock, wait, wait_us))
      return CHUNK_SENDER_WAITS;
  *response = MHD_create_response_from_buffer_with_free_callback ((size_t)size, frame, g_free);
  frame = NULL;
  return CHUNK_SENDER_DONE;
}
