// SPDX-License-Identifier: GPL-2.0-or-later
// Changing a copy of an image by hand, in a VM with a screen.
//
// The VM is a transient domain that libvirt ends with this process, and none of the hook's, since
// its disk is the edit's overlay.  Its name is the edit's directory's, so that a VM that a killed
// libvirtd has forgotten is known from one that is in use.

#include "edit-vm.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/nbd-check.h"
#include "daemon/transient-domain.h"
#include "edit-signals.h"
#include "left-behind.h"
#include "qcow-backing/fail.h"
#include "screen-viewer.h"
#include "virt-hooks/domain-screen.h"

#define NAME_PREFIX "gild-" // of a VM; the name of its edit's directory follows
#define LOOK_MS     250     // how often signals, time and room are looked at
#define SAID_AGAIN  60      // seconds after which the same is said again

typedef struct
{
  const EditVm *vm;
  TransientDomain *domain;
  const char *name;
  char *password, *address; // of the screen
  pid_t viewer;             // 0: none
  gint64 started;
  gboolean is_held; // paused by this process
  char *said;       // what was printed last of its being paused, and when
  gint64 said_at;
  gboolean is_over;
  GError *error; // why it is over, but for the guest's turning itself off
} VmRun;

/* A password that can be told from another by eye: 40 bits of chance.  */
static char *
make_password (GError **error)
{
  static const char LETTERS[] = "abcdefghijkmnpqrstuvwxyz23456789";
  guint8 bytes[DOMAIN_SCREEN_PASSWORD_MAX];
  char *password = g_new0 (char, sizeof bytes + 1);

  G_STATIC_ASSERT (sizeof LETTERS - 1 == 32);
  if (gnutls_rnd (GNUTLS_RND_KEY, bytes, sizeof bytes) < 0)
    {
      g_free (password);
      fail (error, "there are no random numbers for the screen's password");
      return NULL;
    }
  for (gsize i = 0; i < sizeof bytes; i++)
    password[i] = LETTERS[bytes[i] % 32];
  return password;
}

static char *
disk_path (const Config *config, const char *directory)
{
  return config_state_path (config, "edit", directory, EDIT_DIRECTORY_DISK, NULL);
}

static char *
make_xml (const VmRun *run, GError **error)
{
  const EditVm *vm = run->vm;
  g_autofree char *disk =
      g_build_filename (edit_directory_path (vm->directory), EDIT_DIRECTORY_DISK, NULL);
  const TemplateValues values = { .name = run->name, .image = vm->image, .version = vm->version };
  const TransientValues once = { .disk = disk, .password = run->password };

  return vm_options_xml (vm->options, vm->config, values, once, error);
}

static void
end_with (VmRun *run, GError *error)
{
  if (run->is_over)
    g_clear_error (&error);
  else
    run->error = error;
  run->is_over = TRUE;
}

static void
on_event (TransientEvent event, gpointer data)
{
  static const char *const REASONS[] = {
    [TRANSIENT_PANICKED] = "its kernel has panicked",
    [TRANSIENT_DESTROYED] = "somebody has destroyed its VM",
    [TRANSIENT_FAILED] = "its QEMU has ended, or libvirt has: libvirt's log says why",
  };
  VmRun *run = data;
  GError *error = NULL;

  if (event == TRANSIENT_RESET) // updates do that
    return;
  if (event != TRANSIENT_OFF)
    fail (&error, "the guest was not shut down: %s; nothing was published", REASONS[event]);
  end_with (run, error);
}

/* Why the VM cannot go on now, which may pass; IS_STOPPED: QEMU has met an error of its disk.  */
static gboolean
check_disk (const VmRun *run, gboolean is_stopped, GError **error)
{
  g_autofree char *socket = config_run_path (run->vm->config, "nbd.sock", NULL);

  return edit_directory_check_room (run->vm->directory, error)
         && (!is_stopped || nbd_check (socket, error));
}

static void
say (VmRun *run, const char *text)
{
  gint64 now = g_get_monotonic_time ();

  if (g_strcmp0 (run->said, text) == 0 && now - run->said_at < SAID_AGAIN * G_TIME_SPAN_SECOND)
    return;
  g_message ("%s", text);
  g_free (run->said);
  run->said = g_strdup (text);
  run->said_at = now;
}

/* Pause DOMAIN if it runs, and say WHY.  */
static void
hold (VmRun *run, virDomainPtr domain, gboolean is_running, const char *why)
{
  g_autofree char *text = g_strdup_printf ("the VM is paused: %s", why);

  if (is_running && virDomainSuspend (domain) == 0)
    run->is_held = TRUE;
  say (run, text);
}

/* Pause the VM while it cannot go on, and have it go on when it can.  */
static void
take_care (VmRun *run)
{
  virDomainPtr domain = transient_domain_get (run->domain);
  g_autoptr (GError) error = NULL;
  int state = VIR_DOMAIN_NOSTATE, reason = 0;

  if (virDomainGetState (domain, &state, &reason, 0) < 0)
    return;
  gboolean is_stopped = state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR;
  if (!check_disk (run, is_stopped, &error))
    {
      hold (run, domain, state == VIR_DOMAIN_RUNNING, error->message);
      return;
    }
  if (is_stopped)
    say (run, "the VM was paused, since its disk could not be read or written, and goes on");
  if ((is_stopped || (run->is_held && state == VIR_DOMAIN_PAUSED)) && virDomainResume (domain) == 0)
    run->is_held = FALSE;
}

static gboolean
look (gpointer data)
{
  VmRun *run = data;
  GError *error = NULL;

  if (!edit_signals_check ("the VM", run->started, run->vm->timeout_seconds, &error))
    end_with (run, error);
  if (run->viewer > 0 && screen_viewer_has_ended (run->viewer))
    {
      run->viewer = 0;
      g_message ("the viewer has ended, and the VM goes on until its guest is shut down");
    }
  if (!run->is_over)
    take_care (run);
  return G_SOURCE_CONTINUE;
}

/* Tell who runs gild where the VM is, and show it.  */
static void
present (VmRun *run)
{
  virDomainPtr domain = transient_domain_get (run->domain);
  char *xml = virDomainGetXMLDesc (domain, 0);

  run->address = xml ? domain_screen_address (xml, strlen (xml)) : NULL;
  free (xml);
  fprintf (stderr,
           "%s@%u runs in the VM %s, to be changed there; shut it down when you are done (Ctrl-C "
           "here discards it)\n",
           run->vm->image, run->vm->version, run->name);
  if (run->address)
    fprintf (stderr, "screen: %s password %s\n", run->address, run->password);
  if (!run->vm->viewer)
    return;
  run->viewer = screen_viewer_start (run->name, run->address);
  if (run->viewer == 0)
    g_message ("there is no viewer: install virt-viewer, or connect to the screen by yourself");
}

/* Let libvirt's events come until the VM is over.  */
static void
wait_until_over (VmRun *run)
{
  guint timer = g_timeout_add (LOOK_MS, look, run);

  while (!run->is_over && virEventRunDefaultImpl () == 0)
    continue;
  g_source_remove (timer);
}

/* Whether DOMAIN has the overlay of an edit that does not run.  */
static gboolean
is_leftover (virDomainPtr domain, gpointer data)
{
  const Config *config = data;
  const char *name = virDomainGetName (domain);
  virDomainBlockStatsStruct statistics;

  if (!g_str_has_prefix (name, NAME_PREFIX EDIT_DIRECTORY_PREFIX)
      || edit_directory_is_used (config, name + strlen (NAME_PREFIX)))
    return FALSE;
  g_autofree char *disk = disk_path (config, name + strlen (NAME_PREFIX));
  // libvirt has statistics of the disks that the domain has, whether their files are there or not.
  return virDomainBlockStats (domain, disk, &statistics, sizeof statistics) == 0;
}

/* Run the VM, with a connection.  */
static gboolean
run_vm (VmRun *run, virConnectPtr connection, GError **error)
{
  static const TransientCalls CALLS = { .on_event = on_event };
  g_autofree char *xml = make_xml (run, error);
  g_autoptr (GError) end_error = NULL;

  run->domain = xml ? transient_domain_start (connection, xml, &CALLS, run, error) : NULL;
  if (!run->domain)
    return FALSE;
  run->started = g_get_monotonic_time ();
  present (run);
  wait_until_over (run);
  screen_viewer_end (run->viewer);
  if (!transient_domain_end (run->domain, &end_error))
    g_message ("%s; the next gild edit in a VM does it", end_error->message);
  if (!run->error)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&run->error));
  return FALSE;
}

gboolean
edit_vm_run (const EditVm *vm, GError **error)
{
  const char *path = edit_directory_path (vm->directory);
  g_autofree char *directory = g_path_get_basename (path);
  g_autofree char *name = g_strconcat (NAME_PREFIX, directory, NULL);
  g_autofree char *password = make_password (error);
  g_autoptr (virConnect) connection = password ? libvirt_connect_for_events (error) : NULL;
  VmRun run = { .vm = vm, .name = name, .password = password };

  if (!connection || !transient_domain_sweep (connection, is_leftover, (gpointer)vm->config, error))
    return FALSE;
  gboolean done =
      run_vm (&run, connection, error)
      && left_behind_wait (edit_directory_fd (vm->directory), EDIT_DIRECTORY_DISK, path, error);
  g_free (run.address);
  g_free (run.said);
  return done;
}
