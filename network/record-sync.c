// SPDX-License-Identifier: GPL-2.0-or-later
// Getting records from origins: channel records that are newer than this host's, and the versions
// that they name.
//
// The store is held against gc from the first chunk of an index until the record that needs it is
// there.

#include "record-sync.h"

#include <unistd.h>

#include "chunk-batch.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/record-file.h"
#include "qcow-backing/record-install.h"

#define TIMEOUT_SECONDS  30
#define DEADLINE_SECONDS 60 // for a chunk of an index
#define WINDOW           512

static GBytes *
get (const RecordSync *sync, const Host *origin, const char *image, const char *file,
     GError **error)
{
  g_autofree char *path = g_strdup_printf ("/images/%s/%s", image, file);

  return site_client_request (sync->client, origin, "GET", path, NULL, RECORD_SIZE_MAX,
                              TIMEOUT_SECONDS, error);
}

/* Have the chunks of RECORD's index in the store.  */
static gboolean
fetch_index (const RecordSync *sync, const VersionRecord *record, GError **error)
{
  g_autoptr (ChunkBatch) batch =
      chunk_batch_new (sync->fetcher, FETCH_AHEAD, DEADLINE_SECONDS, WINDOW, sync->cancelled);
  ChunkStore *store = image_library_store (sync->library);

  for (guint i = 0; i < record->index_chunks->len; i++)
    {
      const ChunkId *id = &g_array_index (record->index_chunks, ChunkId, i);
      if (!chunk_store_has (store, id) && !chunk_batch_want (batch, id, CHUNK_SIZE))
        break;
    }
  return chunk_batch_wait (batch, error);
}

static gboolean
install_version (const RecordSync *sync, const Host *origin, const char *image, guint version,
                 GError **error)
{
  g_autofree char *file = g_strdup_printf ("%u.json.sig", version);
  g_autoptr (GBytes) signed_text = NULL;
  g_autoptr (VersionRecord) record = NULL;

  if (record_install_has_version (sync->library, image, version))
    return TRUE;
  if ((signed_text = get (sync, origin, image, file, error))
      && (record = record_install_read_version (sync->library, image, version, signed_text, error))
      && fetch_index (sync, record, error)
      && record_install_version (sync->library, record, signed_text, error))
    {
      g_message ("%s@%u has come from %s", image, version, origin->name);
      return TRUE;
    }
  g_prefix_error (error, "%s@%u of %s: ", image, version, origin->name);
  return FALSE;
}

static gboolean
install_channels (const RecordSync *sync, const Host *origin, const char *image,
                  const ChannelRecord *record, GBytes *signed_text, GError **error)
{
  g_autoptr (GArray) versions = channel_record_versions (record);

  for (guint i = 0; i < versions->len; i++)
    if (!install_version (sync, origin, image, g_array_index (versions, guint, i), error))
      return FALSE;
  return record_install_channels (sync->library, record, signed_text, error);
}

/* The locks under which records of IMAGE are installed.  */
typedef struct
{
  int store, image;
} Locks;

static gboolean
lock (const RecordSync *sync, const char *image, Locks *locks, GError **error)
{
  locks->store =
      chunk_store_lock (image_library_store (sync->library), CHUNK_STORE_LOCK_TRY_ADD, error);
  locks->image = locks->store < 0 ? -1 : image_library_lock (sync->library, image, FALSE, error);
  if (locks->store >= 0 && locks->image < 0)
    close (locks->store);
  return locks->image >= 0;
}

static void
unlock (const Locks *locks)
{
  close (locks->image);
  close (locks->store);
}

gboolean
record_sync_image (const RecordSync *sync, const Host *origin, const char *image, GError **error)
{
  g_autoptr (GBytes) signed_text = get (sync, origin, image, "channels.json.sig", error);
  g_autoptr (ChannelRecord) record =
      signed_text ? record_install_read_channels (sync->library, image, signed_text, error) : NULL;
  g_autoptr (ChannelRecord) present = NULL;
  Locks locks;

  if (!record)
    {
      g_prefix_error (error, "channels of %s of %s: ", image, origin->name);
      return FALSE;
    }
  present = image_library_load_channels (sync->library, image, NULL);
  if (present && record->serial <= present->serial)
    return TRUE;
  if (!lock (sync, image, &locks, error))
    return FALSE;
  gboolean ok = install_channels (sync, origin, image, record, signed_text, error);
  unlock (&locks);
  return ok;
}

gboolean
record_sync_version (const RecordSync *sync, const Host *origin, const char *image, guint version,
                     GError **error)
{
  Locks locks;

  if (record_install_has_version (sync->library, image, version))
    return TRUE;
  if (!lock (sync, image, &locks, error))
    return FALSE;
  gboolean ok = install_version (sync, origin, image, version, error);
  unlock (&locks);
  return ok;
}

gboolean
record_sync_ask (const RecordSync *sync, const char *image, guint version, GError **error)
{
  g_autoptr (GPtrArray) hosts = host_list_get (sync->list);
  g_autoptr (GError) last = NULL;
  gboolean done = FALSE;

  for (guint i = 0; i < hosts->len && !g_atomic_int_get (sync->cancelled); i++)
    {
      const Host *host = hosts->pdata[i];
      if (!host->is_origin || (version > 0 && done))
        continue;
      g_clear_error (&last);
      if (version > 0 ? record_sync_version (sync, host, image, version, &last)
                      : record_sync_image (sync, host, image, &last))
        done = TRUE;
    }
  if (done)
    return TRUE;
  if (last)
    g_propagate_error (error, g_steal_pointer (&last));
  else
    fail (error, "this host knows no origin that it could ask for %s", image);
  return FALSE;
}
