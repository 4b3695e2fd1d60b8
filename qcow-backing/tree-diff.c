// SPDX-License-Identifier: GPL-2.0-or-later
// Which files differ between two trees of directories.
//
// Both are walked side by side, each directory's names in order; what stands on one side only is
// compared with nothing, of which everything below is added or deleted.

#include "tree-diff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "fail.h"

#define BUFFER_SIZE (256u << 10)
#define TARGET_MAX  65536u // bytes of a link's target
#define RIGHTS_MASK 07777u

enum
{
  OLD,
  NEW,
  SIDES
};

typedef struct
{
  const Tree *trees[SIDES];
  TreeIsSameFunc is_same;
  gpointer data;
  TreeDiff *diff;
  GString *path; // of what is looked at
  guint depth;
  char *buffers[SIDES];
} Walk;

/* One name, on both sides or on one.  */
typedef struct
{
  const char *name;
  int parents[SIDES]; // directories
  gboolean is_there[SIDES];
  struct stat status[SIDES]; // of what is there
} Entry;

static gboolean compare_directories (Walk *walk, const int fds[SIDES], GError **error);

static gboolean
fail_at (const Walk *walk, int side, GError **error)
{
  return fail_errno (error, "%s: %s", walk->trees[side]->name,
                     walk->path->len > 0 ? walk->path->str : "/");
}

static gint64
size_of (const Entry *entry, int side)
{
  return entry->is_there[side] && S_ISREG (entry->status[side].st_mode)
             ? (gint64)entry->status[side].st_size
             : -1;
}

static gboolean
is_directory (const Entry *entry, int side)
{
  return entry->is_there[side] && S_ISDIR (entry->status[side].st_mode);
}

static gboolean
rights_differ (const Entry *entry)
{
  const struct stat *old = &entry->status[OLD], *new = &entry->status[NEW];

  if (!entry->is_there[OLD] || !entry->is_there[NEW])
    return FALSE;
  // A link's mode means nothing.
  return old->st_uid != new->st_uid || old->st_gid != new->st_gid
         || (!S_ISLNK (new->st_mode)
             && (old->st_mode & RIGHTS_MASK) != (new->st_mode &RIGHTS_MASK));
}

static void
add_change (Walk *walk, const Entry *entry, TreeChangeKind kind)
{
  TreeChange *change = g_new (TreeChange, 1);
  int shown = entry->is_there[NEW] ? NEW : OLD;

  *change = (TreeChange){ .kind = kind,
                          .path = g_strconcat (walk->path->str,
                                               is_directory (entry, shown) ? "/" : "", NULL),
                          .rights_differ = rights_differ (entry),
                          .old_size = size_of (entry, OLD),
                          .new_size = size_of (entry, NEW) };
  g_ptr_array_add (walk->diff->changes, change);
}

/* Read SIZE bytes at OFFSET of the file FD, of SIDE.  */
static gboolean
read_all (Walk *walk, int side, int fd, off_t offset, gsize size, GError **error)
{
  for (gsize done = 0; done < size;)
    {
      gssize n = pread (fd, walk->buffers[side] + done, size - done, offset + (off_t)done);
      if (n < 0 && errno == EINTR)
        continue;
      if (n == 0)
        errno = EIO; // it is shorter than its size
      if (n <= 0)
        return fail_at (walk, side, error);
      done += (gsize)n;
    }
  return TRUE;
}

static gboolean
compare_bytes (Walk *walk, const int fds[SIDES], off_t size, gboolean *differ, GError **error)
{
  walk->diff->n_read++;
  for (off_t offset = 0; offset < size && !*differ; offset += BUFFER_SIZE)
    {
      gsize part = MIN ((gsize)(size - offset), BUFFER_SIZE);
      for (int side = OLD; side < SIDES; side++)
        if (!read_all (walk, side, fds[side], offset, part, error))
          return FALSE;
      *differ = memcmp (walk->buffers[OLD], walk->buffers[NEW], part) != 0;
    }
  return TRUE;
}

/* Open what ENTRY is on each side where it is there, by FLAGS; -1 where it is not.  */
static gboolean
open_sides (Walk *walk, const Entry *entry, int flags, int fds[SIDES], GError **error)
{
  fds[OLD] = fds[NEW] = -1;
  for (int side = OLD; side < SIDES; side++)
    {
      if (!entry->is_there[side])
        continue;
      fds[side] = openat (entry->parents[side], entry->name,
                          flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
      if (fds[side] < 0)
        return fail_at (walk, side, error);
    }
  return TRUE;
}

static void
close_sides (const int fds[SIDES])
{
  for (int side = OLD; side < SIDES; side++)
    if (fds[side] >= 0)
      close (fds[side]);
}

static gboolean
files_differ (Walk *walk, const Entry *entry, gboolean *differ, GError **error)
{
  off_t size = entry->status[OLD].st_size;
  int fds[SIDES];

  *differ = size != entry->status[NEW].st_size;
  if (*differ || size == 0)
    return TRUE;
  gboolean done = open_sides (walk, entry, 0, fds, error)
                  && ((walk->is_same && walk->is_same (fds[OLD], fds[NEW], walk->data))
                      || compare_bytes (walk, fds, size, differ, error));
  close_sides (fds);
  return done;
}

static char *
read_link (Walk *walk, const Entry *entry, int side, GError **error)
{
  g_autofree char *target = g_malloc (TARGET_MAX + 1);
  gssize n = readlinkat (entry->parents[side], entry->name, target, TARGET_MAX);

  if (n < 0)
    {
      fail_at (walk, side, error);
      return NULL;
    }
  target[n] = '\0';
  return g_steal_pointer (&target);
}

static gboolean
links_differ (Walk *walk, const Entry *entry, gboolean *differ, GError **error)
{
  g_autofree char *old = read_link (walk, entry, OLD, error);
  g_autofree char *new = old ? read_link (walk, entry, NEW, error) : NULL;

  *differ = new && !g_str_equal (old, new);
  return new != NULL;
}

/* Whether the bytes differ of what is of the same type on both sides.  */
static gboolean
contents_differ (Walk *walk, const Entry *entry, gboolean *differ, GError **error)
{
  mode_t mode = entry->status[OLD].st_mode;

  *differ = FALSE;
  if (S_ISREG (mode))
    return files_differ (walk, entry, differ, error);
  if (S_ISLNK (mode))
    return links_differ (walk, entry, differ, error);
  if (S_ISCHR (mode) || S_ISBLK (mode))
    *differ = entry->status[OLD].st_rdev != entry->status[NEW].st_rdev;
  return TRUE;
}

/* Note how ENTRY itself differs.  */
static gboolean
compare_itself (Walk *walk, const Entry *entry, GError **error)
{
  gboolean differ;

  if (!entry->is_there[OLD] || !entry->is_there[NEW])
    add_change (walk, entry, entry->is_there[NEW] ? TREE_ADDED : TREE_DELETED);
  else if ((entry->status[OLD].st_mode & S_IFMT) != (entry->status[NEW].st_mode & S_IFMT))
    add_change (walk, entry, TREE_RETYPED);
  else if (!contents_differ (walk, entry, &differ, error))
    return FALSE;
  else if (differ || rights_differ (entry))
    add_change (walk, entry, differ ? TREE_MODIFIED : TREE_RIGHTS);
  return TRUE;
}

/* Compare what is in ENTRY, which is a directory on one side at least.  */
static gboolean
descend (Walk *walk, const Entry *entry, GError **error)
{
  Entry directories = *entry;
  int fds[SIDES];

  if (walk->depth >= TREE_DEPTH_MAX)
    return fail (error, "%s: directories lie deeper in each other than %u: %s",
                 walk->trees[directories.is_there[NEW] ? NEW : OLD]->name, TREE_DEPTH_MAX,
                 walk->path->str);
  for (int side = OLD; side < SIDES; side++)
    directories.is_there[side] = is_directory (entry, side);
  walk->depth++;
  gboolean done = open_sides (walk, &directories, O_DIRECTORY, fds, error)
                  && compare_directories (walk, fds, error);
  walk->depth--;
  close_sides (fds);
  return done;
}

static gboolean
compare_entry (Walk *walk, Entry *entry, GError **error)
{
  for (int side = OLD; side < SIDES; side++)
    if (entry->is_there[side]
        && fstatat (entry->parents[side], entry->name, &entry->status[side], AT_SYMLINK_NOFOLLOW)
               < 0)
      return fail_at (walk, side, error);
  return compare_itself (walk, entry, error)
         && ((!is_directory (entry, OLD) && !is_directory (entry, NEW))
             || descend (walk, entry, error));
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* The names in the directory FD of SIDE, in order and NULL behind them; none where it is -1.  */
static GPtrArray *
list (const Walk *walk, int side, int fd, GError **error)
{
  GPtrArray *names = fd < 0 ? g_ptr_array_new () : directory_names (fd);

  if (!names)
    {
      fail_at (walk, side, error);
      return NULL;
    }
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return names;
}

static gboolean
compare_directories (Walk *walk, const int fds[SIDES], GError **error)
{
  g_autoptr (GPtrArray) old_names = list (walk, OLD, fds[OLD], error);
  g_autoptr (GPtrArray) new_names = old_names ? list (walk, NEW, fds[NEW], error) : NULL;
  gsize length = walk->path->len;

  if (!new_names)
    return FALSE;
  char **old = (char **)old_names->pdata, **new = (char **)new_names->pdata;
  while (*old || *new)
    {
      int order = !*old ? 1 : !*new ? -1 : strcmp (*old, *new);
      Entry entry = { .name = order <= 0 ? *old : *new,
                      .parents = { fds[OLD], fds[NEW] },
                      .is_there = { order <= 0, order >= 0 } };
      g_string_append_printf (walk->path, "/%s", entry.name);
      if (!compare_entry (walk, &entry, error))
        return FALSE;
      g_string_truncate (walk->path, length);
      old += order <= 0;
      new += order >= 0;
    }
  return TRUE;
}

static void
change_free (gpointer data)
{
  g_free (((TreeChange *)data)->path);
  g_free (data);
}

static int
compare_changes (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const TreeChange *const *)a)->path, (*(const TreeChange *const *)b)->path);
}

/* The top directories themselves, and all below them.  */
static gboolean
compare_trees (Walk *walk, GError **error)
{
  const int fds[SIDES] = { walk->trees[OLD]->fd, walk->trees[NEW]->fd };
  Entry top = { .name = "", .is_there = { TRUE, TRUE } };

  for (int side = OLD; side < SIDES; side++)
    if (fstat (fds[side], &top.status[side]) < 0)
      return fail_at (walk, side, error);
  return compare_itself (walk, &top, error) && compare_directories (walk, fds, error);
}

TreeDiff *
tree_diff (const Tree *old_tree, const Tree *new_tree, TreeIsSameFunc is_same, gpointer data,
           GError **error)
{
  g_autoptr (TreeDiff) diff = g_new0 (TreeDiff, 1);
  g_autoptr (GString) path = g_string_new (NULL);
  g_autofree char *buffer = g_malloc (SIDES * BUFFER_SIZE);
  Walk walk = { .trees = { old_tree, new_tree },
                .is_same = is_same,
                .data = data,
                .diff = diff,
                .path = path,
                .buffers = { buffer, buffer + BUFFER_SIZE } };

  diff->changes = g_ptr_array_new_with_free_func (change_free);
  if (!compare_trees (&walk, error))
    return NULL;
  g_ptr_array_sort (diff->changes, compare_changes);
  return g_steal_pointer (&diff);
}

void
tree_diff_free (TreeDiff *diff)
{
  if (!diff)
    return;
  g_ptr_array_unref (diff->changes);
  g_free (diff);
}
