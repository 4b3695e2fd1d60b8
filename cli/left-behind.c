// SPDX-License-Identifier: GPL-2.0-or-later
// What a command leaves behind when it ends: processes, mounts, loop devices, and who holds a disk.

#include "left-behind.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qcow-backing/directory.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/fuse-disk.h"
#include "qcow-backing/loop-device.h"
#include "qcow-backing/mount-list.h"

#define TERM_SECONDS   5
#define KILL_SECONDS   10
#define UMOUNT_SECONDS 10
#define HELD_SECONDS   10
#define DISK_SECONDS   90 // what fuse-disk.c gives it, and more
#define TURN           (G_TIME_SPAN_SECOND / 50)

typedef struct
{
  pid_t pid, parent;
  char name[16]; // comm
} Process;

/* /proc/PID/stat: "PID (COMM) STATE PPID …", where COMM may have anything in it.  FALSE for what is
   gone, and for a zombie.  */
static gboolean
read_process (const char *pid, Process *process)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "stat", NULL);
  g_autofree char *text = NULL;
  char state;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  char *start = strchr (text, '('), *end = strrchr (text, ')');
  if (!start || !end || sscanf (end, ") %c %d", &state, &process->parent) != 2 || state == 'Z')
    return FALSE;
  *end = '\0';
  process->pid = atoi (pid);
  g_strlcpy (process->name, start + 1, sizeof process->name);
  return TRUE;
}

static GArray *
all_processes (void)
{
  GArray *processes = g_array_new (FALSE, FALSE, sizeof (Process));
  g_autoptr (GDir) directory = g_dir_open ("/proc", 0, NULL);
  const char *name;
  Process process;

  while (directory && (name = g_dir_read_name (directory)))
    if (g_ascii_isdigit (name[0]) && read_process (name, &process))
      g_array_append_val (processes, process);
  return processes;
}

/* The processes below this one, parents first, but KEPT, disks, and what is below those.  */
static GArray *
list_below (pid_t kept)
{
  g_autoptr (GArray) all = all_processes ();
  GArray *below = g_array_new (FALSE, FALSE, sizeof (Process));
  const Process self = { .pid = getpid () };

  g_array_append_val (below, self);
  for (guint i = 0; i < below->len; i++)
    for (guint j = 0; j < all->len; j++)
      {
        const Process *process = &g_array_index (all, Process, j);
        if (process->parent == g_array_index (below, Process, i).pid && process->pid != kept
            && !g_str_equal (process->name, FUSE_DISK_PROCESS))
          g_array_append_val (below, *process);
      }
  return g_array_remove_index (below, 0);
}

/* Send SIGNAL to all below this process until there are none, for SECONDS at most.  */
static gboolean
end_all (pid_t kept, int signal_number, int seconds)
{
  gint64 end = g_get_monotonic_time () + seconds * G_TIME_SPAN_SECOND;

  for (gint64 now = 0; now < end; now = g_get_monotonic_time ())
    {
      g_autoptr (GArray) below = list_below (kept);
      if (below->len == 0)
        return TRUE;
      for (guint i = 0; i < below->len; i++)
        {
          pid_t pid = g_array_index (below, Process, i).pid;
          if (now == 0 || signal_number == SIGKILL)
            kill (pid, signal_number);
          waitpid (pid, NULL, WNOHANG);
        }
      g_usleep (TURN);
    }
  return FALSE;
}

/* Zombies that nobody waits for; those of KEPT and of disks are others' to wait for.  */
static void
reap (void)
{
  siginfo_t info = { 0 };

  while (waitid (P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid > 0)
    info.si_pid = 0;
}

gboolean
left_behind_kill (pid_t kept, GError **error)
{
  g_autoptr (GArray) below = list_below (kept);
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < below->len; i++)
    {
      const Process *process = &g_array_index (below, Process, i);
      g_string_append_printf (names, "%s%s (process %d)", i ? ", " : "", process->name,
                              process->pid);
    }
  if (below->len > 0)
    g_message ("ending what COMMAND has left running: %s", names->str);
  if (!end_all (kept, SIGTERM, TERM_SECONDS) && !end_all (kept, SIGKILL, KILL_SECONDS))
    return fail (error, "what COMMAND has left running does not end: %s", names->str);
  if (kept == 0)
    reap ();
  return TRUE;
}

/* How often each "SOURCE PLACE" is mounted according to MOUNTS.  */
static GHashTable *
count_mounts (GPtrArray *mounts)
{
  GHashTable *counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < mounts->len; i++)
    {
      const Mount *mount = mounts->pdata[i];
      char *key = g_strdup_printf ("%s %s", mount->source, mount->place);
      guint count = GPOINTER_TO_UINT (g_hash_table_lookup (counts, key));
      g_hash_table_replace (counts, key, GUINT_TO_POINTER (count + 1));
    }
  return counts;
}

/* Take one of the mounts that are like MOUNT from COUNTS; whether there was one.  */
static gboolean
take_one (GHashTable *counts, const Mount *mount)
{
  g_autofree char *key = g_strdup_printf ("%s %s", mount->source, mount->place);
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (counts, key));

  if (count > 0)
    g_hash_table_replace (counts, g_steal_pointer (&key), GUINT_TO_POINTER (count - 1));
  return count > 0;
}

/* The mounts that are here and not at the host, last ones first.  */
static GPtrArray *
list_own_mounts (int host_mounts, GPtrArray *here)
{
  g_autoptr (GPtrArray) host = mount_list_read_fd (host_mounts);
  g_autoptr (GHashTable) counts = count_mounts (host);
  GPtrArray *own = g_ptr_array_new ();

  for (guint i = here->len; i-- > 0;) // the first ones are the host's
    if (!take_one (counts, here->pdata[i]))
      g_ptr_array_insert (own, 0, here->pdata[i]);
  return own;
}

static gboolean
unmount_one (const char *place)
{
  gint64 end = g_get_monotonic_time () + UMOUNT_SECONDS * G_TIME_SPAN_SECOND;

  while (umount2 (place, UMOUNT_NOFOLLOW) < 0)
    {
      if (errno == EINVAL || errno == ENOENT) // went with what it was mounted on
        return TRUE;
      if (errno != EBUSY || g_get_monotonic_time () > end)
        return umount2 (place, UMOUNT_NOFOLLOW | MNT_DETACH) < 0 && errno == EINVAL;
      g_usleep (TURN);
    }
  return TRUE;
}

static gboolean
is_called (const char *device, const char *loop_name)
{
  g_autofree char *name = g_str_has_prefix (device, "/dev/loop") ? loop_device_name (device) : NULL;

  return g_strcmp0 (name, loop_name) == 0;
}

gboolean
left_behind_unmount (int host_mounts, const char *loop_name, GError **error)
{
  g_autoptr (GPtrArray) here = mount_list_read ();
  g_autoptr (GPtrArray) own = list_own_mounts (host_mounts, here);
  gboolean done = TRUE;

  for (guint i = 0; i < own->len; i++)
    {
      const Mount *mount = own->pdata[i];
      if (!is_called (mount->source, loop_name))
        g_message ("unmounting what COMMAND has left mounted: %s", mount->place);
      if (!unmount_one (mount->place) && done)
        done = fail (error, "%s cannot be unmounted, it is in use", mount->place);
    }
  return done;
}

/* Whether the loop device NAME ("loop0") has a file in DIRECTORY.  */
static gboolean
is_backed_by (const char *name, const char *directory)
{
  g_autofree char *path = g_build_filename ("/sys/block", name, "loop/backing_file", NULL);
  g_autofree char *file = NULL;
  gsize length = strlen (directory);

  return g_file_get_contents (path, &file, NULL, NULL) && strncmp (file, directory, length) == 0
         && file[length] == '/';
}

void
left_behind_detach (const char *directory)
{
  g_autoptr (GDir) devices = g_dir_open ("/sys/block", 0, NULL);
  const char *name;

  while (devices && (name = g_dir_read_name (devices)))
    if (g_str_has_prefix (name, "loop") && is_backed_by (name, directory))
      {
        g_autofree char *path = g_build_filename ("/dev", name, NULL);
        int fd = open (path, O_RDONLY | O_CLOEXEC);
        g_message ("detaching what COMMAND has left attached: %s", path);
        if (fd >= 0 && ioctl (fd, LOOP_CLR_FD) < 0)
          g_message ("%s: %s", path, g_strerror (errno));
        if (fd >= 0)
          close (fd);
      }
}

/* Whether process PID has the file of STATUS open.  */
static gboolean
has_open (const char *pid, const struct stat *status)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "fd", NULL);
  g_autoptr (GDir) files = g_dir_open (path, 0, NULL);
  const char *name;
  struct stat here;

  while (files && (name = g_dir_read_name (files)))
    {
      g_autofree char *file = g_build_filename (path, name, NULL);
      if (stat (file, &here) == 0 && here.st_dev == status->st_dev && here.st_ino == status->st_ino)
        return TRUE;
    }
  return FALSE;
}

/* "qemu-system-x86 (process 12)", of who has the file at PATH open.  */
static char *
name_holder (const char *path)
{
  g_autoptr (GDir) directory = g_dir_open ("/proc", 0, NULL);
  const char *name;
  struct stat status;
  Process process;

  while (directory && stat (path, &status) == 0 && (name = g_dir_read_name (directory)))
    if (g_ascii_isdigit (name[0]) && read_process (name, &process) && has_open (name, &status))
      return g_strdup_printf ("%s (process %d)", process.name, process.pid);
  return g_strdup ("somebody");
}

/* Whether a disk (fuse-disk.h) of this process's has not ended yet: it writes what it has in
   memory.  */
static gboolean
has_disk (void)
{
  g_autoptr (GArray) all = all_processes ();

  for (guint i = 0; i < all->len; i++)
    {
      const Process *process = &g_array_index (all, Process, i);
      if (process->parent == getpid () && g_str_equal (process->name, FUSE_DISK_PROCESS))
        return TRUE;
    }
  return FALSE;
}

gboolean
left_behind_wait (int fd, const char *name, const char *path, GError **error)
{
  gint64 start = g_get_monotonic_time ();
  g_autofree char *file = g_build_filename (path, name, NULL);

  while (directory_is_held (fd))
    {
      gint64 seconds = (g_get_monotonic_time () - start) / G_TIME_SPAN_SECOND;
      if (seconds >= DISK_SECONDS || (seconds >= HELD_SECONDS && !has_disk ()))
        {
          g_autofree char *holder = name_holder (file);
          return fail (
              error, "%s still has %s open: a guest that COMMAND starts has to be shut down by it",
              holder, file);
        }
      g_usleep (TURN);
    }
  return TRUE;
}
