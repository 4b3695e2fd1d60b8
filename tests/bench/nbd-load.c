// SPDX-License-Identifier: GPL-2.0-or-later
// Sends a list of requests to an NBD server and prints how long that took.
//
//   nbd-load [--timed | --think | --depth=N] [--compare=FILE] URI <REQUESTS
//
// A line of REQUESTS is "SECONDS OPERATION OFFSET LENGTH"; operations are read, write (of bytes
// that do not compress) and discard.  --timed sends each at its time from the start, whatever is
// still under way.  --think does as the program that was recorded: the fifth word of a line is the
// number of a line before it (0: the start), and SECONDS is the time from the end of that one.
// Else there are N under way at any time (1).  --compare fails when what is read is not what FILE
// has there.  Prints "SECONDS REQUESTS BYTES MEAN-LATENCY-MICROSECONDS".

#include <fcntl.h>
#include <glib.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX       256
#define REQUEST_MAX     (32u << 20)
#define NOTHING_TO_SEND G_MAXINT64

typedef enum
{
  REQUEST_READ,
  REQUEST_WRITE,
  REQUEST_DISCARD,
} RequestType;

typedef enum
{
  PACE_DEPTH,
  PACE_TIMED,
  PACE_THINK,
} Pace;

typedef struct
{
  gint64 time_us; // from the start, or from the end of AFTER
  gint64 due_us;  // monotonic; NOTHING_TO_SEND while AFTER has not ended
  guint after;    // PACE_THINK: counted from 1; 0 for the start
  gboolean sent;
  RequestType type;
  guint64 offset;
  guint32 length;
} Request;

typedef struct Load Load;

/* One request under way.  */
typedef struct
{
  Load *load;
  guint8 *buffer; // as large as the largest request; NULL until it is first needed
  guint request;  // which one
  gint64 sent_us;
  gboolean busy;
} Slot;

struct Load
{
  struct nbd_handle *nbd;
  GArray *requests; // of Request
  Pace pace;
  guint depth;
  int golden_fd;  // what is to be read, or -1
  guint8 *golden; // this and the next: as large as the largest request
  guint8 *noise;  // what is written
  guint32 length_max;
  Slot slots[DEPTH_MAX];
  guint next; // all before it are sent
  guint answered;
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
read_requests (Pace pace, guint32 *length_max)
{
  GArray *requests = g_array_new (FALSE, FALSE, sizeof (Request));
  char line[256], type[16];
  double seconds;
  Request request = { 0 };

  *length_max = 0;
  while (fgets (line, sizeof line, stdin))
    {
      int words = sscanf (line, "%lf %15s %" G_GUINT64_FORMAT " %u %u", &seconds, type,
                          &request.offset, &request.length, &request.after);
      if (words < (pace == PACE_THINK ? 5 : 4) || request.length > REQUEST_MAX
          || request.after > requests->len)
        die (line);
      request.time_us = (gint64)(seconds * 1e6);
      request.type = parse_type (type);
      *length_max = MAX (*length_max, request.length);
      g_array_append_val (requests, request);
    }
  return requests;
}

static Request *
request_at (Load *load, guint i)
{
  return &g_array_index (load->requests, Request, i);
}

/* What has to wait for request number AFTER alone.  */
static void
set_due (Load *load, guint after, gint64 now)
{
  for (guint i = MAX (load->next, after); i < load->requests->len; i++)
    if (request_at (load, i)->after == after)
      request_at (load, i)->due_us = now + request_at (load, i)->time_us;
}

static void
compare (const Load *load, const Slot *slot, const Request *request)
{
  if (load->golden_fd < 0 || request->type != REQUEST_READ)
    return;
  if (pread (load->golden_fd, load->golden, request->length, (off_t)request->offset)
      != (gssize)request->length)
    die ("--compare: the file is too short");
  if (memcmp (load->golden, slot->buffer, request->length) == 0)
    return;
  fprintf (stderr, "nbd-load: %u bytes at %" G_GUINT64_FORMAT " are not what they have to be\n",
           request->length, request->offset);
  exit (EXIT_FAILURE);
}

static int
completed (void *data, int *error)
{
  Slot *slot = data;
  Load *load = slot->load;
  gint64 now = g_get_monotonic_time ();

  if (*error)
    {
      fprintf (stderr, "nbd-load: the server answers: %s\n", strerror (*error));
      exit (EXIT_FAILURE);
    }
  compare (load, slot, request_at (load, slot->request));
  load->latency_us += now - slot->sent_us;
  load->answered++;
  slot->busy = FALSE;
  if (load->pace == PACE_THINK)
    set_due (load, slot->request + 1, now);
  return 1;
}

static void
send_request (Load *load, Slot *slot, guint number)
{
  Request *request = request_at (load, number);
  nbd_completion_callback callback = { .callback = completed, .user_data = slot };
  gint64 cookie = -1;

  if (!slot->buffer)
    slot->buffer = g_memdup2 (load->noise, load->length_max);
  slot->load = load;
  slot->busy = TRUE;
  slot->request = number;
  slot->sent_us = g_get_monotonic_time ();
  request->sent = TRUE;
  while (load->next < load->requests->len && request_at (load, load->next)->sent)
    load->next++;
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

static guint
under_way (const Load *load)
{
  guint n = 0;

  for (guint i = 0; i < load->depth; i++)
    n += load->slots[i].busy;
  return n;
}

static Slot *
find_free_slot (Load *load)
{
  for (guint i = 0; i < load->depth; i++)
    if (!load->slots[i].busy)
      return &load->slots[i];
  return NULL;
}

/* The request that is due first, at *DUE_US; FALSE if none is known to be.  */
static gboolean
find_next (Load *load, guint *number, gint64 *due_us)
{
  *due_us = NOTHING_TO_SEND;
  for (guint i = load->next; i < load->requests->len; i++)
    {
      const Request *request = request_at (load, i);
      if (request->sent || request->due_us >= *due_us)
        continue;
      *number = i;
      *due_us = request->due_us;
      if (load->pace != PACE_THINK)
        break;
    }
  return *due_us != NOTHING_TO_SEND;
}

/* Send what is due; microseconds until the next one is, or -1 when an answer has to come first.  */
static gint64
send_due (Load *load)
{
  guint number;
  gint64 due_us;
  Slot *slot;

  while ((slot = find_free_slot (load)) && find_next (load, &number, &due_us))
    {
      gint64 wait_us = due_us - g_get_monotonic_time ();
      if (wait_us > 0)
        return wait_us;
      send_request (load, slot, number);
    }
  return -1;
}

static void
run (Load *load)
{
  load->start_us = g_get_monotonic_time ();
  for (guint i = 0; i < load->requests->len; i++)
    request_at (load, i)->due_us = load->pace == PACE_THINK ? NOTHING_TO_SEND
                                   : load->pace == PACE_TIMED
                                       ? load->start_us + request_at (load, i)->time_us
                                       : load->start_us;
  if (load->pace == PACE_THINK)
    set_due (load, 0, load->start_us);
  while (load->answered < load->requests->len)
    {
      gint64 wait_us = send_due (load);
      // poll's milliseconds are too coarse for the last one before a request.
      int timeout = wait_us < 0 ? -1 : (int)(wait_us / 1000);
      if (timeout == 0 && under_way (load) == 0)
        g_usleep ((gulong)wait_us);
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

static Load *
load_new (Pace pace, guint depth, const char *compare_path)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  Load *load = g_new0 (Load, 1);

  load->pace = pace;
  load->requests = read_requests (pace, &load->length_max);
  load->depth = pace == PACE_DEPTH ? depth : DEPTH_MAX;
  load->golden_fd = compare_path ? open (compare_path, O_RDONLY | O_CLOEXEC) : -1;
  if (compare_path && load->golden_fd < 0)
    die (compare_path);
  load->golden = g_malloc (load->length_max);
  load->noise = g_malloc (load->length_max);
  for (guint32 k = 0; k < load->length_max; k++)
    load->noise[k] = (guint8)g_rand_int (random);
  return load;
}

static void
load_free (Load *load)
{
  for (guint i = 0; i < load->depth; i++)
    g_free (load->slots[i].buffer);
  g_array_unref (load->requests);
  g_free (load->golden);
  g_free (load->noise);
  if (load->golden_fd >= 0)
    close (load->golden_fd);
  g_free (load);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Load, load_free)

static void
report (const Load *load)
{
  guint64 bytes = 0;

  for (guint i = 0; i < load->requests->len; i++)
    bytes += g_array_index (load->requests, Request, i).length;
  printf ("%.6f %u %" G_GUINT64_FORMAT " %.1f\n",
          (double)(g_get_monotonic_time () - load->start_us) / 1e6, load->requests->len, bytes,
          (double)load->latency_us / MAX (load->requests->len, 1));
}

int
main (int argc, char **argv)
{
  gint depth = 1;
  gboolean timed = FALSE, think = FALSE;
  g_autofree char *compare_path = NULL;
  GOptionEntry options[] = {
    { "depth", 0, 0, G_OPTION_ARG_INT, &depth, "requests under way at any time (1)", "N" },
    { "timed", 0, 0, G_OPTION_ARG_NONE, &timed, "send each request at its time", NULL },
    { "think", 0, 0, G_OPTION_ARG_NONE, &think, "send each its time after another's end", NULL },
    { "compare", 0, 0, G_OPTION_ARG_FILENAME, &compare_path, "what has to be read", "FILE" },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("URI <REQUESTS");

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, NULL) || argc != 2 || depth < 1
      || depth > DEPTH_MAX || (timed && think))
    {
      fprintf (stderr, "usage: nbd-load [--timed | --think | --depth=N] [--compare=FILE] URI "
                       "<REQUESTS\n");
      return 2;
    }
  g_autoptr (Load) load = load_new (think   ? PACE_THINK
                                    : timed ? PACE_TIMED
                                            : PACE_DEPTH,
                                    (guint)depth, compare_path);
  load->nbd = connect_to (argv[1]);
  run (load);
  report (load);
  nbd_shutdown (load->nbd, 0);
  nbd_close (load->nbd);
  return 0;
}
