// SPDX-License-Identifier: GPL-2.0-or-later
// Sends a list of requests to an NBD server and prints how long that took.
//
//   nbd-load [--timed | --depth=N] URI <REQUESTS
//
// A line of REQUESTS is "SECONDS OPERATION OFFSET LENGTH"; operations are read, write (of bytes
// that do not compress) and discard.  --timed sends each at its time from the start, whatever is
// still under way; else there are N under way at any time (1).  Prints "SECONDS REQUESTS BYTES
// MEAN-LATENCY-MICROSECONDS".

#include <glib.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX       256
#define REQUEST_MAX     (32u << 20)
#define BUFFER_PIECE    (1u << 20)
#define NOTHING_TO_SEND G_MAXINT64

typedef enum
{
  REQUEST_READ,
  REQUEST_WRITE,
  REQUEST_DISCARD,
} RequestType;

typedef struct
{
  gint64 time_us;
  RequestType type;
  guint64 offset;
  guint32 length;
} Request;

typedef struct Load Load;

/* One request under way.  */
typedef struct
{
  Load *load;
  guint8 *buffer; // as large as the largest request
  gint64 sent_us;
  gboolean busy;
} Slot;

struct Load
{
  struct nbd_handle *nbd;
  GArray *requests; // of Request
  gboolean timed;
  guint depth;
  Slot slots[DEPTH_MAX];
  guint next; // to be sent
  guint under_way;
  gint64 start_us, latency_us;
};

static void
die (const char *what)
{
  fprintf (stderr, "nbd-load: %s: %s\n", what, nbd_get_error () ? nbd_get_error () : "invalid");
  exit (EXIT_FAILURE);
}

static RequestType
parse_type (const char *text)
{
  static const char *const NAMES[] = { "read", "write", "discard" };

  for (guint i = 0; i < G_N_ELEMENTS (NAMES); i++)
    if (g_str_equal (text, NAMES[i]))
      return i;
  die (text);
  return REQUEST_READ;
}

/* The requests on stdin; *LENGTH_MAX becomes the longest one's length.  */
static GArray *
read_requests (guint32 *length_max)
{
  GArray *requests = g_array_new (FALSE, FALSE, sizeof (Request));
  char line[256], type[16];
  double seconds;
  Request request;

  *length_max = 0;
  while (fgets (line, sizeof line, stdin))
    {
      if (sscanf (line, "%lf %15s %" G_GUINT64_FORMAT " %u", &seconds, type, &request.offset,
                  &request.length)
              != 4
          || request.length > REQUEST_MAX)
        die (line);
      request.time_us = (gint64)(seconds * 1e6);
      request.type = parse_type (type);
      *length_max = MAX (*length_max, request.length);
      g_array_append_val (requests, request);
    }
  return requests;
}

static int
completed (void *data, int *error)
{
  Slot *slot = data;

  if (*error)
    {
      fprintf (stderr, "nbd-load: the server answers: %s\n", strerror (*error));
      exit (EXIT_FAILURE);
    }
  slot->load->latency_us += g_get_monotonic_time () - slot->sent_us;
  slot->load->under_way--;
  slot->busy = FALSE;
  return 1;
}

static void
send_request (Load *load, Slot *slot)
{
  const Request *request = &g_array_index (load->requests, Request, load->next++);
  nbd_completion_callback callback = { .callback = completed, .user_data = slot };
  gint64 cookie = -1;

  slot->load = load;
  slot->busy = TRUE;
  slot->sent_us = g_get_monotonic_time ();
  load->under_way++;
  switch (request->type)
    {
    case REQUEST_READ:
      cookie =
          nbd_aio_pread (load->nbd, slot->buffer, request->length, request->offset, callback, 0);
      break;
    case REQUEST_WRITE:
      cookie =
          nbd_aio_pwrite (load->nbd, slot->buffer, request->length, request->offset, callback, 0);
      break;
    case REQUEST_DISCARD:
      cookie = nbd_aio_trim (load->nbd, request->length, request->offset, callback, 0);
      break;
    }
  if (cookie == -1)
    die ("send");
}

static Slot *
find_free_slot (Load *load)
{
  for (guint i = 0; load->under_way < load->depth && i < load->depth; i++)
    if (!load->slots[i].busy)
      return &load->slots[i];
  return NULL;
}

/* Microseconds until the next request is due: 0 or less for now, NOTHING_TO_SEND for none.  */
static gint64
next_is_due (const Load *load)
{
  if (load->next == load->requests->len || load->under_way == load->depth)
    return NOTHING_TO_SEND;
  if (!load->timed)
    return 0;
  return load->start_us + g_array_index (load->requests, Request, load->next).time_us
         - g_get_monotonic_time ();
}

static void
run (Load *load)
{
  gint64 due;

  load->start_us = g_get_monotonic_time ();
  while (load->next < load->requests->len || load->under_way > 0)
    {
      while ((due = next_is_due (load)) <= 0)
        send_request (load, find_free_slot (load));
      // poll's milliseconds are too coarse for the last one before a request.
      int timeout = due == NOTHING_TO_SEND ? -1 : (int)(due / 1000);
      if (timeout == 0 && load->under_way == 0)
        g_usleep ((gulong)due);
      else if (nbd_poll (load->nbd, timeout) == -1)
        die ("poll");
    }
}

static struct nbd_handle *
connect_to (const char *uri)
{
  struct nbd_handle *nbd = nbd_create ();

  if (!nbd || nbd_set_uri_allow_local_file (nbd, true) == -1 || nbd_connect_uri (nbd, uri) == -1)
    die (uri);
  return nbd;
}

int
main (int argc, char **argv)
{
  gint depth = 1;
  gboolean timed = FALSE;
  GOptionEntry options[] = {
    { "depth", 0, 0, G_OPTION_ARG_INT, &depth, "requests under way at any time (1)", "N" },
    { "timed", 0, 0, G_OPTION_ARG_NONE, &timed, "send each request at its time", NULL },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("URI <REQUESTS");
  g_autoptr (GError) error = NULL;
  guint32 length_max;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 2 || depth < 1
      || depth > DEPTH_MAX)
    {
      fprintf (stderr, "usage: nbd-load [--timed | --depth=N] URI <REQUESTS\n");
      return 2;
    }
  g_autofree Load *load = g_new0 (Load, 1);
  load->requests = read_requests (&length_max);
  load->timed = timed;
  load->depth = timed ? DEPTH_MAX : (guint)depth;
  load->nbd = connect_to (argv[1]);
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  for (guint i = 0; i < load->depth; i++)
    {
      load->slots[i].buffer = g_malloc (length_max);
      for (guint32 k = 0; k < length_max; k++)
        load->slots[i].buffer[k] = (guint8)g_rand_int (random);
    }
  run (load);

  guint64 bytes = 0;
  for (guint i = 0; i < load->requests->len; i++)
    bytes += g_array_index (load->requests, Request, i).length;
  printf ("%.6f %u %" G_GUINT64_FORMAT " %.1f\n",
          (double)(g_get_monotonic_time () - load->start_us) / 1e6, load->requests->len, bytes,
          (double)load->latency_us / MAX (load->requests->len, 1));
  nbd_shutdown (load->nbd, 0);
  nbd_close (load->nbd);
  return 0;
}
