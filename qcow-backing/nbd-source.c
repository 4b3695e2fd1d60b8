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

struct NbdSource
{
  NbdChild *server;
  GPtrArray *connections; // of struct nbd_handle *
  guint64 size;
};

static void
close_connection (gpointer connection)
{
  nbd_close (connection);
}

static struct nbd_handle *
connect_once (NbdChild *server, const char *path, GError **error)
{
  struct nbd_handle *connection = nbd_create ();

  if (connection && nbd_add_meta_context (connection, LIBNBD_CONTEXT_BASE_ALLOCATION) == 0
      && nbd_connect_unix (connection, nbd_child_socket (server)) == 0)
    return connection;
  nbd_child_fail (server, path, error);
  if (connection)
    nbd_close (connection);
  return NULL;
}

NbdSource *
nbd_source_open (GPtrArray *chain, guint connections, const ChildIdentity *identity, GError **error)
{
  g_autoptr (NbdSource) source = g_new0 (NbdSource, 1);
  const DiskImageLayer *top = chain->pdata[0];
  g_autofree char *blockdev = disk_image_blockdev (chain);
  g_autofree char *shared = g_strdup_printf ("--shared=%u", connections);
  const char *argv[] = { QEMU_NBD, "--read-only", shared, blockdev, NULL };

  source->connections = g_ptr_array_new_with_free_func (close_connection);
  source->server = nbd_child_start ((char **)argv, identity, error);
  if (!source->server)
    return NULL;
  for (guint i = 0; i < connections; i++)
    {
      struct nbd_handle *connection = connect_once (source->server, top->path, error);
      if (!connection)
        return NULL;
      g_ptr_array_add (source->connections, connection);
    }
  nbd_child_hide_socket (source->server);
  gint64 size = nbd_get_size (source->connections->pdata[0]);
  if (size < 0
      || nbd_can_meta_context (source->connections->pdata[0], LIBNBD_CONTEXT_BASE_ALLOCATION) != 1)
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

typedef struct
{
  GArray *ranges;
  gsize count_max;
  guint64 size, position; // of the disk; up to where it is known
} Map;

/* Add the chunks that the LENGTH bytes at OFFSET touch, unless the last range has them.  */
static void
add_data (Map *map, guint64 offset, guint64 length)
{
  gsize first = (gsize)(offset / CHUNK_SIZE);
  gsize end = (gsize)((offset + length + CHUNK_SIZE - 1) / CHUNK_SIZE);

  while (first < end)
    {
      ChunkRange *last =
          map->ranges->len ? &g_array_index (map->ranges, ChunkRange, map->ranges->len - 1) : NULL;
      if (last && first < last->first + last->count)
        first = last->first + last->count;
      else if (last && first == last->first + last->count && last->count < map->count_max)
        last->count++;
      else
        {
          ChunkRange range = { first, 1 };
          g_array_append_val (map->ranges, range);
        }
    }
}

/* libnbd's callback: COUNT pairs of length and flags, from OFFSET on.  */
static int
add_extents (void *data, const char *context, uint64_t offset, uint32_t *entries, size_t count,
             int *error)
{
  Map *map = data;

  if (!g_str_equal (context, LIBNBD_CONTEXT_BASE_ALLOCATION) || offset != map->position)
    return 0;
  for (size_t i = 0; i + 1 < count; i += 2)
    {
      guint64 length = MIN ((guint64)entries[i], map->size - map->position);
      if (!(entries[i + 1] & LIBNBD_STATE_ZERO))
        add_data (map, map->position, length);
      map->position += length;
    }
  return 0;
}

GArray *
nbd_source_map (NbdSource *source, gsize count_max, GError **error)
{
  Map map = { g_array_new (FALSE, FALSE, sizeof (ChunkRange)), count_max, source->size, 0 };

  while (map.position < source->size)
    {
      guint64 before = map.position;
      guint64 length = MIN (MAP_STEP, source->size - before);
      nbd_extent_callback callback = { .callback = add_extents, .user_data = &map };
      int status = nbd_block_status (source->connections->pdata[0], length, before, callback, 0);
      if (status < 0 || map.position == before)
        {
          fail (error, "qemu-nbd does not tell where the disk has data: %s",
                status < 0 ? nbd_get_error () : "an empty answer");
          g_array_unref (map.ranges);
          return NULL;
        }
    }
  return map.ranges;
}

gboolean
nbd_source_read (NbdSource *source, guint connection, guint64 offset, gsize length, guint8 *buffer,
                 GError **error)
{
  if (nbd_pread (source->connections->pdata[connection], buffer, length, offset, 0) == 0)
    return TRUE;
  return fail (error, "read the disk at offset %" G_GUINT64_FORMAT ": %s", offset,
               nbd_get_error ());
}
