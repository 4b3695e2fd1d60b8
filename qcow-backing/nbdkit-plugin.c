// SPDX-License-Identifier: GPL-2.0-or-later
// nbdkit's plugin "gild": every version of every image of this host as a read-only export.
//
// An export's name is DEPARTMENT/NAME@VERSION.  There is no network here: what a read needs is in
// the store, and comes through served-version.c.  Nothing is written there either: the one socket
// that this opens is gildd's control socket, to tell it of a chunk that is damaged, and of what a
// boot has read.

#include <errno.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "boot-recorder.h"
#include "daemon/chunk-waiter.h"
#include "daemon/damage-reporter.h"
#include "daemon/profile-reporter.h"
#include "served-version.h"
#include "size.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

/* nbdkit has a buffer of the largest request for each of its threads.  */
#define REQUEST_SIZE_MAX (256u << 10)

/* nbdkit calls a plugin by plain functions and gives no pointer before open, so this has to be
 * here.  */
static struct
{
  char *config_path;
  char *state_dir;
  char *cache_size;
  gboolean public_only;
  Config *departments; // where PUBLIC_ONLY: who may have which images
  ServedVersions *versions;
  DamageReporter *reporter;
  ChunkWaiter *waiter;
  ProfileReporter *profile_reporter;
} plugin;

/* What nbdkit holds for each client.  */
typedef struct
{
  ServedVersion *version;
  char *ref;
  guint64 next_offset;    // atomic: where the last read ended
  BootRecorder *recorder; // NULL: what it reads is of no interest
} Connection;

/* Who reads one request after another waits for each; who sends more at a time has them loaded side
   by side, and reads larger pieces.  */
#define SEQUENTIAL_REQUEST_MAX (128u << 10)

static void
report (GError *error, int code)
{
  nbdkit_error ("%s", error->message);
  nbdkit_set_error (code);
}

static void
plugin_unload (void)
{
  served_versions_free (plugin.versions);
  damage_reporter_free (plugin.reporter);
  chunk_waiter_free (plugin.waiter);
  profile_reporter_free (plugin.profile_reporter);
  free (plugin.config_path);
  free (plugin.state_dir);
  g_free (plugin.cache_size);
  config_free (plugin.departments);
}

static int
set_path (char **path, const char *value)
{
  free (*path);
  *path = nbdkit_absolute_path (value);
  return *path ? 0 : -1;
}

static int
plugin_config (const char *key, const char *value)
{
  if (g_str_equal (key, "config"))
    return set_path (&plugin.config_path, value);
  if (g_str_equal (key, "state"))
    return set_path (&plugin.state_dir, value);
  if (g_str_equal (key, "cache-size"))
    {
      g_free (plugin.cache_size);
      plugin.cache_size = g_strdup (value);
      return 0;
    }
  if (g_str_equal (key, "public"))
    {
      int value_is = nbdkit_parse_bool (value);
      plugin.public_only = value_is == 1;
      return value_is < 0 ? -1 : 0;
    }
  nbdkit_error ("unknown parameter '%s': there are config=, state=, cache-size= and public=", key);
  return -1;
}

static void
on_damage (const ChunkId *id, gpointer data)
{
  damage_reporter_add (plugin.reporter, id);
}

/* Whether REF may be had here: clients, whose names nbdkit does not tell, get what is for all
 * hosts.  */
static gboolean
is_offered (const char *ref)
{
  return !plugin.departments || config_host_may_have (plugin.departments, ref, "");
}

static gboolean
on_missing (const ChunkId *id, const char *ref, gsize position, gboolean is_damaged, gpointer data,
            GError **error)
{
  return chunk_waiter_wait (plugin.waiter, id, ref, position, is_damaged, error);
}

static gboolean
configure (GError **error)
{
  g_autoptr (Config) config = config_load (plugin.config_path, error);

  if (!config)
    return FALSE;
  if (plugin.cache_size && !size_parse (plugin.cache_size, &config->cache_size_bytes, error))
    {
      g_prefix_error (error, "cache-size=: ");
      return FALSE;
    }
  if (plugin.public_only && !(plugin.departments = config_load (plugin.config_path, error)))
    return FALSE;
  g_autofree char *gildd = config_run_path (config, "gildd.sock", NULL);
  guint deadline_seconds = config->fetch_deadline_seconds;
  if (plugin.state_dir)
    {
      g_free (config->state_dir);
      config->state_dir = g_strdup (plugin.state_dir);
    }
  plugin.versions = served_versions_new (g_steal_pointer (&config), error);
  if (!plugin.versions)
    return FALSE;
  if (plugin.state_dir) // gildd has the configuration's store, and not another
    return TRUE;
  plugin.reporter = damage_reporter_new (gildd);
  plugin.profile_reporter = profile_reporter_new (gildd);
  plugin.waiter = chunk_waiter_new (gildd, deadline_seconds);
  served_versions_on_damage (plugin.versions, on_damage, NULL);
  served_versions_on_missing (plugin.versions, on_missing, NULL);
  return TRUE;
}

static int
plugin_config_complete (void)
{
  g_autoptr (GError) error = NULL;

  if (configure (&error))
    return 0;
  nbdkit_error ("%s", error->message);
  return -1;
}

static int
plugin_list_exports (int readonly, int is_tls, struct nbdkit_exports *exports)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) refs = served_versions_list (plugin.versions, &error);

  if (!refs)
    {
      report (error, EIO);
      return -1;
    }
  for (guint i = 0; i < refs->len; i++)
    if (is_offered (refs->pdata[i]) && nbdkit_add_export (exports, refs->pdata[i], NULL) == -1)
      return -1;
  return 0;
}

/* A client that names no export is told so by open.  */
static const char *
plugin_default_export (int readonly, int is_tls)
{
  return "";
}

static void *
plugin_open (int readonly)
{
  const char *ref = nbdkit_export_name ();
  g_autoptr (GError) error = NULL;

  if (!ref)
    return NULL;
  if (*ref == '\0')
    {
      nbdkit_error ("there is no default export: name one, DEPARTMENT/NAME@VERSION");
      nbdkit_set_error (EINVAL);
      return NULL;
    }
  if (!is_offered (ref))
    {
      nbdkit_error ("%s is of a department that is not for everybody", ref);
      nbdkit_set_error (EPERM);
      return NULL;
    }
  ServedVersion *version = served_version_open (plugin.versions, ref, &error);
  if (!version)
    {
      report (error, ENOENT);
      return NULL;
    }
  Connection *connection = g_new0 (Connection, 1);
  connection->version = version;
  connection->ref = g_strdup (ref);
  if (plugin.profile_reporter && profile_reporter_wants (plugin.profile_reporter, ref))
    connection->recorder = boot_recorder_new (
        (served_version_size (version) + CHUNK_SIZE - 1) / CHUNK_SIZE, g_get_monotonic_time ());
  return connection;
}

/* Tell what the client has read, if that was not told yet.  */
static void
end_recording (Connection *connection)
{
  GArray *positions = boot_recorder_end (connection->recorder);

  if (positions)
    profile_reporter_add (plugin.profile_reporter, connection->ref, positions,
                          boot_recorder_since (connection->recorder));
}

/* Note that the client reads from OFFSET to END; zeros come out of the index.  */
static void
record (Connection *connection, guint64 offset, guint64 end)
{
  gint64 now = g_get_monotonic_time ();
  gboolean is_zero;

  for (guint64 next; offset < end; offset = next)
    {
      next = served_version_extent (connection->version, offset, end, &is_zero);
      for (gsize i = offset / CHUNK_SIZE; !is_zero && i * CHUNK_SIZE < next; i++)
        if (!boot_recorder_add (connection->recorder, i, now))
          {
            end_recording (connection);
            return;
          }
    }
}

static void
plugin_close (void *handle)
{
  Connection *connection = handle;

  if (connection->recorder)
    end_recording (connection);
  boot_recorder_free (connection->recorder);
  served_version_close (connection->version);
  g_free (connection->ref);
  g_free (connection);
}

static const char *
plugin_export_description (void *handle)
{
  return served_version_note (((Connection *)handle)->version);
}

static int64_t
plugin_get_size (void *handle)
{
  return (int64_t)served_version_size (((Connection *)handle)->version);
}

static int
plugin_block_size (void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
  *minimum = 1;
  *preferred = CHUNK_SIZE;
  *maximum = REQUEST_SIZE_MAX;
  return 0;
}

static int
plugin_can_multi_conn (void *handle)
{
  return 1;
}

static int
plugin_can_cache (void *handle)
{
  return NBDKIT_CACHE_NATIVE;
}

static int
plugin_pread (void *handle, void *buffer, uint32_t count, uint64_t offset, uint32_t flags)
{
  Connection *connection = handle;
  guint64 end = offset + count;
  g_autoptr (GError) error = NULL;

  if (connection->recorder)
    record (connection, offset, end);
  if (__atomic_exchange_n (&connection->next_offset, end, __ATOMIC_RELAXED) == offset
      && count <= SEQUENTIAL_REQUEST_MAX)
    served_version_read_ahead (connection->version, end);
  if (served_version_read (connection->version, offset, count, buffer, &error))
    return 0;
  report (error, EIO);
  return -1;
}

static int
plugin_cache (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  g_autoptr (GError) error = NULL;

  if (served_version_prefetch (((Connection *)handle)->version, offset, count, &error))
    return 0;
  report (error, EIO);
  return -1;
}

/* Never past the request: nbdkit 1.32 aborts on extents that reach beyond it near 4 GiB
 * (CVE-2025-47711).  */
static int
plugin_extents (void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                struct nbdkit_extents *extents)
{
  uint64_t end = offset + count;

  while (offset < end)
    {
      gboolean is_zero;
      uint64_t next =
          served_version_extent (((Connection *)handle)->version, offset, end, &is_zero);

      if (nbdkit_add_extent (extents, offset, next - offset,
                             is_zero ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0)
          == -1)
        return -1;
      if (flags & NBDKIT_FLAG_REQ_ONE)
        break;
      offset = next;
    }
  return 0;
}

static struct nbdkit_plugin functions = {
  .name = "gild",
  .longname = "gild",
  .version = PACKAGE_VERSION,
  .description = "serves the versions of gild's images, read-only",
  .config_help = "config=FILE        gild's configuration (/etc/gild/gild.conf)\n"
                 "state=DIR          the state directory, rather than the configuration's\n"
                 "cache-size=SIZE    decompressed chunks that are kept, as \"128MiB\"\n"
                 "public=BOOL        leave out departments that are not for all hosts",
  .unload = plugin_unload,
  .config = plugin_config,
  .config_complete = plugin_config_complete,
  .list_exports = plugin_list_exports,
  .default_export = plugin_default_export,
  .open = plugin_open,
  .close = plugin_close,
  .export_description = plugin_export_description,
  .get_size = plugin_get_size,
  .block_size = plugin_block_size,
  .can_multi_conn = plugin_can_multi_conn,
  .can_cache = plugin_can_cache,
  .pread = plugin_pread,
  .cache = plugin_cache,
  .extents = plugin_extents,
};
NBDKIT_REGISTER_PLUGIN (functions)
