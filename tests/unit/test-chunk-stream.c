// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks on the wire: records in pieces of any size, and bytes that are none.

#include "network/chunk-stream.h"

#include <gio/gio.h>
#include <string.h>

#define ID_A        "11111111111111111111111111111111"
#define ID_B        "22222222222222222222222222222222"
#define NUL4        "\0\0\0\0"
#define NO_ID       NUL4 NUL4 NUL4 NUL4 NUL4 NUL4 NUL4 NUL4
#define WAITING     NO_ID "\xff\xff\xff\xff"
#define BYTES(text) text, sizeof (text) - 1

/* What was read, as text: "frame 1 'gild'; none 2; waiting; ".  */
static gboolean
note (ChunkRecordKind kind, const ChunkId *id, const guint8 *frame, gsize frame_size, gpointer data,
      GError **error)
{
  GString *notes = data;

  g_assert_true ((kind == CHUNK_RECORD_WAITING) == (id == NULL));
  g_assert_true ((kind == CHUNK_RECORD_FRAME) == (frame != NULL));
  g_assert_true ((kind == CHUNK_RECORD_FRAME) == (frame_size > 0));
  if (kind == CHUNK_RECORD_FRAME)
    g_string_append_printf (notes, "frame %c '%.*s'; ", MAX (id->bytes[0], '0'), (int)frame_size,
                            frame);
  else if (kind == CHUNK_RECORD_NONE)
    g_string_append_printf (notes, "none %c; ", id->bytes[0]);
  else
    g_string_append (notes, "waiting; ");
  return TRUE;
}

static const struct
{
  const char *name;
  const char *bytes;
  gsize size;
  const char *notes;
  const char *sentence; // of the error, NULL where there is none
} ANSWERS[] = {
  { "too-long",
    BYTES (ID_A "\x00\x00\x02\x00"
                "gild"),
    "", "a record of 131072 bytes is longer than any chunk" },
  { "too-long-by-one",
    BYTES (ID_A "\x21\x01\x01\x00"
                "gild"),
    "", "a record of 65825 bytes is longer than any chunk" },
  { "nearly-waiting", BYTES (ID_A "\xfe\xff\xff\xff"), "",
    "a record of 4294967294 bytes is longer than any chunk" },
  { "waiting-for-something", BYTES (ID_A "\xff\xff\xff\xff"), "",
    "a record that says \"still waiting\" has a chunk's id" },
  { "bad-behind-good",
    BYTES (ID_B "\x04\x00\x00\x00"
                "gild" ID_A "\xfe\xff\xff\xff" ID_A NUL4),
    "frame 2 'gild'; ", "a record of 4294967294 bytes is longer than any chunk" },
  { "in-head", BYTES (ID_A "\x04"), "", "the answer ends within a record" },
  { "in-frame",
    BYTES (ID_A "\x04\x00\x00\x00"
                "gil"),
    "", "the answer ends within a record" },
  { "behind-head", BYTES (ID_A "\x04\x00\x00\x00"), "", "the answer ends within a record" },
  { "empty", BYTES (""), "", NULL },
  { "one",
    BYTES (ID_A "\x04\x00\x00\x00"
                "gild"),
    "frame 1 'gild'; ", NULL },
  { "none", BYTES (ID_A NUL4), "none 1; ", NULL },
  { "id-of-zeros",
    BYTES (NO_ID "\x01\x00\x00\x00"
                 "g"),
    "frame 0 'g'; ", NULL },
  { "all-kinds",
    BYTES (WAITING ID_A "\x04\x00\x00\x00"
                        "gild" WAITING ID_B NUL4 ID_B "\x02\x00\x00\x00"
                        "gi"),
    "waiting; frame 1 'gild'; waiting; none 2; frame 2 'gi'; ", NULL },
};

static void
test_answer (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);

  for (gsize piece = 1; piece <= ANSWERS[i].size + 1; piece++)
    {
      g_autoptr (GString) notes = g_string_new (NULL);
      g_autoptr (ChunkStreamReader) reader = chunk_stream_reader_new (note, notes);
      g_autoptr (GError) error = NULL;
      gboolean ok = TRUE;
      for (gsize at = 0; ok && at < ANSWERS[i].size; at += piece)
        ok = chunk_stream_reader_add (reader, (const guint8 *)ANSWERS[i].bytes + at,
                                      MIN (piece, ANSWERS[i].size - at), &error);
      ok = ok && chunk_stream_reader_end (reader, &error);
      g_assert_cmpstr (notes->str, ==, ANSWERS[i].notes);
      g_assert_cmpstr (error ? error->message : NULL, ==, ANSWERS[i].sentence);
      g_assert_true (ok == !error);
    }
}

/* Nothing is read behind bytes that could not be.  */
static void
test_failed_stays_failed (void)
{
  g_autoptr (GString) notes = g_string_new (NULL);
  g_autoptr (ChunkStreamReader) reader = chunk_stream_reader_new (note, notes);
  static const char BAD[] = ID_A "\xfe\xff\xff\xff", GOOD[] = ID_A NUL4;

  g_assert_false (chunk_stream_reader_add (reader, (const guint8 *)BAD, sizeof BAD - 1, NULL));
  g_assert_false (chunk_stream_reader_add (reader, (const guint8 *)GOOD, sizeof GOOD - 1, NULL));
  g_assert_false (chunk_stream_reader_end (reader, NULL));
  g_assert_cmpstr (notes->str, ==, "");
}

static gboolean
refuse (ChunkRecordKind kind, const ChunkId *id, const guint8 *frame, gsize frame_size,
        gpointer data, GError **error)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "not asked for");
  return FALSE;
}

static void
test_refused (void)
{
  g_autoptr (ChunkStreamReader) reader = chunk_stream_reader_new (refuse, NULL);
  g_autoptr (GError) error = NULL;
  static const char GOOD[] = ID_A NUL4;

  g_assert_false (chunk_stream_reader_add (reader, (const guint8 *)GOOD, sizeof GOOD - 1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

/* The largest frame there can be, and the heads that are written.  */
static void
test_largest (void)
{
  g_autoptr (GString) notes = g_string_new (NULL), expected = g_string_new (NULL);
  g_autofree guint8 *record = g_malloc (CHUNK_STREAM_HEAD_SIZE + CHUNK_FRAME_SIZE_MAX);
  guint8 waiting[CHUNK_STREAM_HEAD_SIZE];
  ChunkId id;

  memset (id.bytes, '7', sizeof id.bytes);
  memset (record, 'x', CHUNK_STREAM_HEAD_SIZE + CHUNK_FRAME_SIZE_MAX);
  chunk_stream_write_head (&id, CHUNK_FRAME_SIZE_MAX, record);
  chunk_stream_write_head (NULL, 0, waiting);
  g_string_append_printf (expected, "waiting; frame 7 '%.*s'; waiting; ", (int)CHUNK_FRAME_SIZE_MAX,
                          record + CHUNK_STREAM_HEAD_SIZE);
  g_autoptr (ChunkStreamReader) reader = chunk_stream_reader_new (note, notes);
  g_assert_true (chunk_stream_reader_add (reader, waiting, sizeof waiting, NULL));
  g_assert_true (chunk_stream_reader_add (reader, record, 50000, NULL));
  g_assert_true (chunk_stream_reader_add (
      reader, record + 50000, CHUNK_STREAM_HEAD_SIZE + CHUNK_FRAME_SIZE_MAX - 50000, NULL));
  g_assert_true (chunk_stream_reader_add (reader, waiting, sizeof waiting, NULL));
  g_assert_true (chunk_stream_reader_end (reader, NULL));
  g_assert_true (g_string_equal (notes, expected));
}

#define HEX_A         "dca99f3c0bc64ba4c5b1b5d0a3a2a4d1c3f0c9e7b7a5f3d1e2c4b6a897867564"
#define WANT(members) "{\"format\": \"gild-want-1\", " members "}"

static const struct
{
  const char *name, *text, *sentence;
} WANTS[] = {
  { "no-json", "chunks", NULL },
  { "other-format", "{\"format\": \"gild-want-2\", \"forward\": true, \"chunks\": [\"" HEX_A "\"]}",
    "its format is \"gild-want-2\", this gild reads \"gild-want-1\"" },
  { "no-forward", WANT ("\"chunks\": [\"" HEX_A "\"]"),
    "\"forward\" is missing, and must be true or false" },
  { "forward-1", WANT ("\"forward\": 1, \"chunks\": [\"" HEX_A "\"]"),
    "\"forward\" is something else, and must be true or false" },
  { "ahead-1", WANT ("\"forward\": true, \"ahead\": 1, \"chunks\": [\"" HEX_A "\"]"),
    "\"ahead\" is something else, and must be true or false" },
  { "no-chunks", WANT ("\"forward\": true"), "\"chunks\" is missing, and must be an array" },
  { "empty", WANT ("\"forward\": true, \"chunks\": []"), "\"chunks\" is empty" },
  { "short-id", WANT ("\"forward\": true, \"chunks\": [\"dca9\"]"),
    "entry 0 of \"chunks\" is not a chunk's id" },
  { "climbs", WANT ("\"forward\": true, \"chunks\": [\"" HEX_A "\", \"../site/ca-key.pem\"]"),
    "entry 1 of \"chunks\" is not a chunk's id" },
  { "number", WANT ("\"forward\": true, \"chunks\": [7]"),
    "entry 0 of \"chunks\" is not a chunk's id" },
  { "null", WANT ("\"forward\": true, \"chunks\": [null]"),
    "entry 0 of \"chunks\" is not a chunk's id" },
  { "array", WANT ("\"forward\": true, \"chunks\": [[]]"),
    "entry 0 of \"chunks\" is not a chunk's id" },
};

static void
test_bad_want (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autofree ChunkWant *want = g_new (ChunkWant, 1);
  g_autoptr (GError) error = NULL;

  g_assert_false (chunk_want_from_json (WANTS[i].text, strlen (WANTS[i].text), want, &error));
  g_assert_nonnull (error);
  if (WANTS[i].sentence)
    g_assert_cmpstr (error->message, ==, WANTS[i].sentence);
}

static ChunkWant *
make_want (guint n_chunks)
{
  ChunkWant *want = g_new0 (ChunkWant, 1);

  want->forward = n_chunks % 2 == 0;
  want->ahead = n_chunks % 3 == 0;
  want->n_chunks = n_chunks;
  for (guint i = 0; i < n_chunks && i < CHUNK_WANT_MAX; i++)
    want->chunks[i] = chunk_id_of (&i, sizeof i);
  return want;
}

static void
test_good_want (void)
{
  for (guint n = 1; n <= CHUNK_WANT_MAX; n += n == 2 ? CHUNK_WANT_MAX - 2 : 1)
    {
      g_autofree ChunkWant *want = make_want (n), *read = g_new0 (ChunkWant, 1);
      g_autofree char *text = chunk_want_to_json (want);
      g_autoptr (GError) error = NULL;
      gboolean ok = chunk_want_from_json (text, strlen (text), read, &error);
      g_assert_no_error (error);
      g_assert_true (ok);
      g_assert_cmpmem (want, sizeof *want, read, sizeof *read);
    }
}

static void
test_too_many (void)
{
  g_autofree ChunkWant *want = make_want (CHUNK_WANT_MAX), *read = g_new0 (ChunkWant, 1);
  g_autofree char *text = chunk_want_to_json (want);
  g_autoptr (GString) more = g_string_new (text);
  g_autoptr (GError) error = NULL, long_error = NULL;

  g_string_replace (more, "]}", ", \"" HEX_A "\"]}", 1);
  g_assert_false (chunk_want_from_json (more->str, more->len, read, &error));
  g_assert_cmpstr (error->message, ==, "\"chunks\" has more than 256 entries");
  g_string_set_size (more, CHUNK_WANT_SIZE_MAX + 1);
  g_assert_false (chunk_want_from_json (more->str, more->len, read, &long_error));
  g_assert_cmpstr (long_error->message, ==, "it is larger than 32768 bytes");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (ANSWERS); i++)
    {
      g_autofree char *path = g_strconcat ("/chunk-stream/answer/", ANSWERS[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_answer);
    }
  g_test_add_func ("/chunk-stream/failed-stays-failed", test_failed_stays_failed);
  g_test_add_func ("/chunk-stream/refused", test_refused);
  g_test_add_func ("/chunk-stream/largest", test_largest);
  for (gsize i = 0; i < G_N_ELEMENTS (WANTS); i++)
    {
      g_autofree char *path = g_strconcat ("/chunk-want/bad/", WANTS[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_bad_want);
    }
  g_test_add_func ("/chunk-want/good", test_good_want);
  g_test_add_func ("/chunk-want/too-many", test_too_many);
  return g_test_run ();
}
