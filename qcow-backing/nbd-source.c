// SPDX-License-Identifier: GPL-2.0-or-later
// A disk image file as the guest would see it, read through qemu-nbd over several connections.

#include "nbd-source.h"

#include <libnbd.h>
#include <string.h>

#include "chunk-id.h"
#include "fail.h"
#include "nbd-child.h"

/* A block-status request: not more than a server may refuse (the NBD protocol's 32-bit length).  */
#define MAP_STEP (G_GUINT64_CONSTANT (1) << 30)

/* Which layer of the chain holds it, 1 being the top one; 0 where none does (qemu-nbd(8)).  */
#define CONTEXT_ALLOCATION_DEPTH "qemu:allocation-depth"

/* A read that was begun.  */
typedef struct
{
  guint64 cookie, offset;
} Read;

typedef struct
{
  struct nbd_handle *nbd;
  GArray *reads; // of Read
} Connection;

struct NbdSource
{
  NbdChild *server;
  GPtrArray *connections; // of Connection *
  guint64 size;
};

static void
connection_free (gpointer data)
{
  Connection *connection = data;

  nbd_close (connection->nbd);
  g_array_unref (connection->reads);
  g_free (connection);
}

static void
add_connection (NbdSource *source, struct nbd_handle *nbd)
{
  Connection *connection = g_new (Connection, 1);

  connection->nbd = nbd;
  connection->reads = g_array_new (FALSE, FALSE, sizeof (Read));
  g_ptr_array_add (source->connections, connection);
}

/* For what is asked while no thread reads.  */
static struct nbd_handle *
first_connection (const NbdSource *source)
{
  const Connection *connection = source->connections->pdata[0];

  return connection->nbd;
}

static struct nbd_handle *
connect_once (NbdChild *server, const char *path, GError **error)
{
  struct nbd_handle *connection = nbd_create ();

  if (connection && nbd_add_meta_context (connection, LIBNBD_CONTEXT_BASE_ALLOCATION) == 0
      && nbd_add_meta_context (connection, CONTEXT_ALLOCATION_DEPTH) == 0
      && nbd_connect_unix (connection, nbd_child_socket (server)) == 0)
    return connection;
  nbd_child_fail (server, path, error);
  if (connection)
    nbd_close (connection);
  return NULL;
}

static gboolean
tells (const NbdSource *source, const char *context)
{
  return nbd_can_meta_context (first_connection (source), context) == 1;
}

NbdSource *
nbd_source_open (GPtrArray *chain, guint connections, const ChildIdentity *identity, GError **error)
{
  g_autoptr (NbdSource) source = g_new0 (NbdSource, 1);
  const DiskImageLayer *top = chain->pdata[0];
  g_autofree char *blockdev = disk_image_blockdev (chain);
  g_autofree char *shared = g_strdup_printf ("--shared=%u", connections);
  const char *argv[] = {
    QEMU_NBD, "--read-only", "--allocation-depth", shared, blockdev, NULL,
  };

  source->connections = g_ptr_array_new_with_free_func (connection_free);
  source->server = nbd_child_start ((char **)argv, identity, error);
  if (!source->server)
    return NULL;
  for (guint i = 0; i < connections; i++)
    {
      struct nbd_handle *connection = connect_once (source->server, top->path, error);
      if (!connection)
        return NULL;
      add_connection (source, connection);
    }
  nbd_child_hide_socket (source->server);
  gint64 size = nbd_get_size (first_connection (source));
  if (size < 0 || !tells (source, LIBNBD_CONTEXT_BASE_ALLOCATION)
      || !tells (source, CONTEXT_ALLOCATION_DEPTH))
    {
      fail (error, "%s: qemu-nbd does not tell its size and where it has data", top->path);
      return NULL;
    }
  source->size = (guint64)size;
  return g_steal_pointer (&source);
}

void
nbd_source_free (NbdSource *source)
{
  if (!source)
    return;
  g_ptr_array_unref (source->connections);
  nbd_child_stop (source->server);
  g_free (source);
}

guint64
nbd_source_size (const NbdSource *source)
{
  return source->size;
}

guint
nbd_source_connections (const NbdSource *source)
{
  return source->connections->len;
}

/* The server's answer for one part of the disk: pairs of a length and what it is.  The two need not
   be cut at the same places, nor reach equally far.  */
typedef struct
{
  GArray *allocation, *depth; // of guint32
  guint64 offset;             // where the part begins
} Answer;

/* libnbd's callback: COUNT numbers, for the disk from OFFSET on.  */
static int
take_answer (void *data, const char *context, uint64_t offset, uint32_t *entries, size_t count,
             int *error)
{
  Answer *answer = data;
  GArray *numbers =
      g_str_equal (context, LIBNBD_CONTEXT_BASE_ALLOCATION) ? answer->allocation : answer->depth;

  if (offset == answer->offset && numbers->len == 0)
    g_array_append_vals (numbers, entries, (guint)(count - count % 2));
  return 0;
}

/* Formats that never have a backing file say of what they do not hold only that it is a hole.  */
static NbdExtentKind
extent_kind (guint32 allocation, guint32 depth)
{
  if (!(allocation & LIBNBD_STATE_ZERO))
    return NBD_EXTENT_DATA;
  return depth == 0 ? NBD_EXTENT_BELOW : NBD_EXTENT_ZERO;
}

static void
add_extent (GArray *map, guint64 offset, guint64 length, NbdExtentKind kind)
{
  NbdExtent *last = map->len ? &g_array_index (map, NbdExtent, map->len - 1) : NULL;

  if (last && last->kind == kind)
    last->length += length;
  else
    {
      const NbdExtent extent = { offset, length, kind };
      g_array_append_val (map, extent);
    }
}

/* Add to MAP as far as both halves of ANSWER reach, at most to END; where that is.  */
static guint64
add_answer (GArray *map, const Answer *answer, guint64 end)
{
  guint32 *allocation = (guint32 *)answer->allocation->data;
  guint32 *depth = (guint32 *)answer->depth->data;
  guint64 offset = answer->offset;

  for (guint i = 0, j = 0; i < answer->allocation->len && j < answer->depth->len && offset < end;)
    {
      guint32 length = MIN (allocation[i], depth[j]);
      guint64 inside = MIN (length, end - offset);
      if (inside > 0)
        add_extent (map, offset, inside, extent_kind (allocation[i + 1], depth[j + 1]));
      offset += inside;
      allocation[i] -= length;
      depth[j] -= length;
      i += allocation[i] == 0 ? 2 : 0;
      j += depth[j] == 0 ? 2 : 0;
    }
  return offset;
}

/* Add what is known from *OFFSET on, and move that.  */
static gboolean
map_on (NbdSource *source, GArray *map, guint64 *offset, GError **error)
{
  g_autoptr (GArray) allocation = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (GArray) depth = g_array_new (FALSE, FALSE, sizeof (guint32));
  Answer answer = { allocation, depth, *offset };
  nbd_extent_callback callback = { .callback = take_answer, .user_data = &answer };
  guint64 length = MIN (MAP_STEP, source->size - *offset);
  gboolean answered =
      nbd_block_status (first_connection (source), length, *offset, callback, 0) == 0;

  if (answered)
    *offset = add_answer (map, &answer, source->size);
  return (answered && *offset > answer.offset)
         || fail (error, "qemu-nbd does not tell where the disk has data: %s",
                  answered ? "an empty answer" : nbd_get_error ());
}

GArray *
nbd_source_map (NbdSource *source, GError **error)
{
  g_autoptr (GArray) map = g_array_new (FALSE, FALSE, sizeof (NbdExtent));
  guint64 offset = 0;

  while (offset < source->size)
    if (!map_on (source, map, &offset, error))
      return NULL;
  return g_steal_pointer (&map);
}

static gboolean
fail_read (guint64 offset, GError **error)
{
  return fail (error, "read the disk at offset %" G_GUINT64_FORMAT ": %s", offset,
               nbd_get_error ());
}

gboolean
nbd_source_begin_read (NbdSource *source, guint connection, guint64 offset, gsize length,
                       guint8 *buffer, GError **error)
{
  Connection *used = source->connections->pdata[connection];
  gint64 cookie = nbd_aio_pread (used->nbd, buffer, length, offset, NBD_NULL_COMPLETION, 0);
  const Read begun = { (guint64)cookie, offset };

  if (cookie < 0)
    return fail_read (offset, error);
  g_array_append_val (used->reads, begun);
  return TRUE;
}

gboolean
nbd_source_wait (NbdSource *source, guint connection, GError **error)
{
  Connection *used = source->connections->pdata[connection];
  gboolean ok = TRUE;

  while (nbd_aio_in_flight (used->nbd) > 0)
    if (nbd_poll (used->nbd, -1) < 0)
      return fail (error, "read the disk: %s", nbd_get_error ());
  for (guint i = 0; ok && i < used->reads->len; i++)
    {
      const Read *read = &g_array_index (used->reads, Read, i);
      ok = nbd_aio_command_completed (used->nbd, read->cookie) == 1
           || fail_read (read->offset, error);
    }
  g_array_set_size (used->reads, 0);
  return ok;
}
