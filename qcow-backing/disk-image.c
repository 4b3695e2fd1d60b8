// SPDX-License-Identifier: GPL-2.0-or-later
// Disk image files as an admin has them: which format, which files below, and whether it is safe to
// open.

#include "disk-image.h"

#include <errno.h>
#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk-image-header.h"
#include "fail.h"

#define LAYERS_MAX 64

// qemu-img check: 2 is corruption, 3 leaked clusters (no harm), 63 a format without checks.
#define CHECK_CORRUPT 2
#define CHECK_LEAKS   3
#define CHECK_NONE    63

static const struct
{
  const char *suffix, *format;
} SUFFIXES[] = {
  { ".qcow2", "qcow2" }, { ".raw", "raw" }, { ".img", "raw" }, { ".vmdk", "vmdk" },
  { ".vhdx", "vhdx" },   { ".vhd", "vpc" }, { ".vpc", "vpc" }, { ".vdi", "vdi" },
};

static void
layer_free (gpointer data)
{
  DiskImageLayer *layer = data;

  g_free (layer->path);
  g_free (layer);
}

/* FORMAT as this file's own constant, NULL where it is not one that can be published.  */
static const char *
known_format (const char *format)
{
  for (gsize i = 0; i < G_N_ELEMENTS (SUFFIXES); i++)
    if (g_str_equal (SUFFIXES[i].format, format))
      return SUFFIXES[i].format;
  return NULL;
}

static const char *
choose_format (const char *path, const char *format, GError **error)
{
  const char *known = format ? known_format (format) : NULL;

  for (gsize i = 0; !format && i < G_N_ELEMENTS (SUFFIXES); i++)
    if (g_str_has_suffix (path, SUFFIXES[i].suffix))
      return SUFFIXES[i].format;
  if (!known && format)
    fail (error, "format %s cannot be published; -f takes qcow2, raw, vmdk, vhdx, vpc or vdi",
          format);
  else if (!known)
    fail (error, "%s: its suffix tells no format; say which it is with -f", path);
  return known;
}

static gssize
pread_all (int fd, guint8 *buffer, gsize size, guint64 offset)
{
  gsize done = 0;
  gssize n;

  while (done < size && (n = pread (fd, buffer + done, size - done, (off_t)(offset + done))) != 0)
    {
      if (n < 0 && errno != EINTR)
        return -1;
      done += n > 0 ? (gsize)n : 0;
    }
  return (gssize)done;
}

static gboolean
read_header (int fd, guint8 *start, guint8 *end, DiskImageHeader *header, GError **error)
{
  off_t size = lseek (fd, 0, SEEK_END);
  gssize start_size = size < 0 ? -1 : pread_all (fd, start, DISK_IMAGE_START_SIZE, 0);
  gssize end_size = 0;

  if (size >= DISK_IMAGE_END_SIZE)
    end_size = pread_all (fd, end, DISK_IMAGE_END_SIZE, (guint64)size - DISK_IMAGE_END_SIZE);
  if (start_size < 0 || end_size < 0)
    return fail_errno (error, "read it");
  if (start_size == 0)
    return fail (error, "it is empty");
  *header = (DiskImageHeader){ start, (gsize)start_size, end, (gsize)end_size };
  return TRUE;
}

/* Open PATH, see that it is a disk's file, and note which in SEEN.  */
static int
open_layer (const char *path, GHashTable *seen, GError **error)
{
  struct stat status;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

  if (fd < 0 || fstat (fd, &status) < 0)
    fail_errno (error, "%s", path);
  else if (!S_ISREG (status.st_mode) && !S_ISBLK (status.st_mode))
    fail (error, "%s is neither a file nor a block device", path);
  else if (!g_hash_table_add (seen,
                              g_strdup_printf ("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
                                               (guint64)status.st_dev, (guint64)status.st_ino)))
    fail (error, "%s is its own backing file, directly or further down", path);
  else
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

static gboolean
read_layer (const DiskImageLayer *layer, GHashTable *seen, char **backing, char **backing_format,
            GError **error)
{
  g_autofree guint8 *start = g_malloc (DISK_IMAGE_START_SIZE);
  guint8 end[DISK_IMAGE_END_SIZE];
  DiskImageHeader header;
  int fd = open_layer (layer->path, seen, error);

  if (fd < 0)
    return FALSE;
  gboolean ok = read_header (fd, start, end, &header, error)
                && disk_image_header_check (&header, layer->format, backing, backing_format, error);
  close (fd);
  if (!ok)
    g_prefix_error (error, "%s: ", layer->path);
  return ok;
}

/* Whether PATH lies in directory DIRECTORY or below.  */
static gboolean
is_below (const char *path, const char *directory)
{
  g_autofree char *real = realpath (directory, NULL);
  g_autofree char *prefix =
      real ? g_strconcat (real, g_str_has_suffix (real, "/") ? "" : "/", NULL) : NULL;

  return prefix && g_str_has_prefix (path, prefix);
}

/* Where the backing file is that the layer at PATH names as NAME.  Names with a protocol ("nbd:",
   "json:") are no local files: QEMU takes a colon before any slash as the end of a protocol.  */
static char *
locate_backing (const char *path, const char *name, const char *const *directories, GError **error)
{
  gsize plain = strcspn (name, ":/");

  if (name[plain] == ':')
    {
      fail (error, "%s: its backing file is '%.200s', and gild follows local files only", path,
            name);
      return NULL;
    }
  g_autofree char *directory = g_path_get_dirname (path);
  g_autofree char *joined =
      g_path_is_absolute (name) ? g_strdup (name) : g_build_filename (directory, name, NULL);
  g_autofree char *real = realpath (joined, NULL);
  if (!real)
    {
      fail_errno (error, "%s: its backing file %s", path, joined);
      return NULL;
    }
  for (gsize i = 0; directories[i]; i++)
    if (is_below (real, directories[i]))
      return g_strdup (real);
  g_autofree char *needed = g_path_get_dirname (real);
  fail (
      error,
      "%s: its backing file %s lies outside the image's own directory; if it is meant to be read, say --backing-dir %s",
      path, real, needed);
  return NULL;
}

static GPtrArray *
follow_chain (const char *real, const char *format, const char *const *directories, GError **error)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func (layer_free);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *path = g_strdup (real);

  while (path)
    {
      g_autofree char *backing = NULL, *backing_format = NULL;
      DiskImageLayer *layer = g_new (DiskImageLayer, 1);
      layer->path = g_steal_pointer (&path);
      layer->format = format;
      g_ptr_array_add (chain, layer);
      if (chain->len > LAYERS_MAX)
        {
          fail (error, "%s has more than %d layers", real, LAYERS_MAX);
          return NULL;
        }
      if (!read_layer (layer, seen, &backing, &backing_format, error))
        return NULL;
      if (!backing)
        break;
      format = backing_format ? known_format (backing_format) : NULL;
      if (!format)
        {
          fail (
              error,
              "%s: it does not say the format of its backing file, or one that cannot be published; say it with `qemu-img rebase -u -F FORMAT -b %s %s`",
              layer->path, backing, layer->path);
          return NULL;
        }
      path = locate_backing (layer->path, backing, directories, error);
      if (!path)
        return NULL;
    }
  return g_steal_pointer (&chain);
}

/* LAYERS from FIRST on as one JSON object for QEMU, COUNT of them.  */
static void
build_blockdev (JsonBuilder *builder, GPtrArray *chain, guint first, guint count)
{
  const DiskImageLayer *layer = chain->pdata[first];
  struct stat status;
  gboolean is_device = stat (layer->path, &status) == 0 && S_ISBLK (status.st_mode);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "driver");
  json_builder_add_string_value (builder, layer->format);
  json_builder_set_member_name (builder, "read-only");
  json_builder_add_boolean_value (builder, TRUE);
  json_builder_set_member_name (builder, "file");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "driver");
  json_builder_add_string_value (builder, is_device ? "host_device" : "file");
  json_builder_set_member_name (builder, "filename");
  json_builder_add_string_value (builder, layer->path);
  json_builder_end_object (builder);
  if (count > 1)
    {
      json_builder_set_member_name (builder, "backing");
      build_blockdev (builder, chain, first + 1, count - 1);
    }
  else
    {
      json_builder_set_member_name (builder, "backing"); // whatever the file says there is
      json_builder_add_null_value (builder);
    }
  json_builder_end_object (builder);
}

static char *
blockdev (GPtrArray *chain, guint first, guint count)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  build_blockdev (builder, chain, first, count);
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *json = json_to_string (root, FALSE);
  return g_strconcat ("json:", json, NULL);
}

char *
disk_image_blockdev (GPtrArray *chain)
{
  return blockdev (chain, 0, chain->len);
}

static void
assume_identity (gpointer identity)
{
  child_identity_assume (identity);
}

/* QEMU reads what lies behind the end of a truncated image as zeros; its check does not.  */
static gboolean
check_layer (GPtrArray *chain, guint i, const ChildIdentity *identity, GError **error)
{
  const DiskImageLayer *layer = chain->pdata[i];
  g_autofree char *target = blockdev (chain, i, 1);
  const char *argv[] = { QEMU_IMG, "check", "-q", target, NULL };
  g_autofree char *said = NULL;
  int status;

  if (g_str_equal (layer->format, "raw"))
    return TRUE;
  if (!g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, assume_identity,
                     (gpointer)identity, NULL, &said, &status, error))
    return FALSE;
  int code = WIFEXITED (status) ? WEXITSTATUS (status) : -1;
  if (code == 0 || code == CHECK_LEAKS || code == CHECK_NONE)
    return TRUE;
  g_strchomp (said);
  const char *last_line = strrchr (said, '\n');
  if (code == CHECK_CORRUPT)
    return fail (error, "%s is damaged or cut short; `qemu-img check` says: %s", layer->path,
                 last_line ? last_line + 1 : said);
  return fail (error, "%s cannot be read: %s", layer->path, last_line ? last_line + 1 : said);
}

GPtrArray *
disk_image_chain (const char *path, const char *format, const char *const *backing_dirs,
                  const ChildIdentity *identity, GError **error)
{
  const char *chosen = choose_format (path, format, error);
  g_autofree char *real = chosen ? realpath (path, NULL) : NULL;
  g_autoptr (GPtrArray) directories = g_ptr_array_new_with_free_func (g_free);

  if (!real)
    {
      if (chosen)
        fail_errno (error, "%s", path);
      return NULL;
    }
  g_autofree char *own = g_path_get_dirname (real);
  if (!g_str_equal (own, "/")) // which would let every file be a backing file
    g_ptr_array_add (directories, g_steal_pointer (&own));
  for (gsize i = 0; backing_dirs && backing_dirs[i]; i++)
    g_ptr_array_add (directories, g_strdup (backing_dirs[i]));
  g_ptr_array_add (directories, NULL);

  g_autoptr (GPtrArray) chain =
      follow_chain (real, chosen, (const char *const *)directories->pdata, error);
  for (guint i = 0; chain && i < chain->len; i++)
    if (!check_layer (chain, i, identity, error))
      return NULL;
  return g_steal_pointer (&chain);
}

gboolean
disk_image_check_overlay (const char *path, const char *backing, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const DiskImageLayer layer = { (char *)path, "qcow2" };
  g_autofree char *found = NULL, *found_format = NULL;

  if (!read_layer (&layer, seen, &found, &found_format, error))
    return FALSE;
  return g_strcmp0 (found, backing) == 0
         || fail (
             error,
             "%s is not the overlay any more that it was: its backing file is now %.200s, not %s; a disk that was made anew is for `gild publish`",
             path, found ? found : "none", backing);
}

GPtrArray *
disk_image_overlay (const char *path, const char *backing, const ChildIdentity *identity,
                    GError **error)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func (layer_free);
  DiskImageLayer *layer = g_new (DiskImageLayer, 1);

  *layer = (DiskImageLayer){ g_strdup (path), "qcow2" };
  g_ptr_array_add (chain, layer);
  return disk_image_check_overlay (path, backing, error) && check_layer (chain, 0, identity, error)
             ? g_steal_pointer (&chain)
             : NULL;
}

GPtrArray *
disk_image_overlays (const GPtrArray *paths, const ChildIdentity *identity, GError **error)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func (layer_free);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < paths->len; i++)
    {
      g_autofree char *named = NULL, *named_format = NULL;
      DiskImageLayer *layer = g_new (DiskImageLayer, 1);
      layer->path = g_strdup (paths->pdata[i]);
      layer->format = "qcow2";
      g_ptr_array_add (chain, layer);
      if (!read_layer (layer, seen, &named, &named_format, error)
          || !check_layer (chain, i, identity, error))
        return NULL;
    }
  return g_steal_pointer (&chain);
}
