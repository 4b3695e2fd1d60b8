// SPDX-License-Identifier: GPL-2.0-or-later
// The hook that libvirt runs as root: before a desktop starts it makes its overlays, at its end it
// removes them.
//
//   /etc/libvirt/hooks/qemu.d/gild DOMAIN OPERATION SUB-OPERATION EXTRA <domain.xml
//   /etc/libvirt/hooks/qemu.d/gild --sweep
//
// The ways that a desktop takes (https://libvirt.org/hooks.html):
//
//   prepare begin   look at the metadata, ask gildd, mount the tmpfs, make the overlays; where it
//                   fails, so does `virsh start`, with what stands on stderr
//   release end     keep the overlays where `gild keep` asked for it; remove what was spilled,
//                   unmount, unpin; comes also after a start that failed, and never fails itself
//   restore begin   refused: a RAM overlay does not outlive its guest's QEMU
//   migrate begin   refused likewise
//
// All else is passed over, reconnect above all, since its failing would kill the running guest.  A
// domain is ours if it has gild's metadata; at its end, if it has left something behind.  libvirt
// waits for the hook, so the hook calls neither libvirt nor anything else that may wait.

#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/control-client.h"
#include "domain-xml.h"
#include "keep.h"
#include "metadata.h"
#include "overlay-mount.h"
#include "prepare-answer.h"
#include "qcow-backing/config.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/overlay.h"
#include "qcow-backing/privilege.h"
#include "qcow-backing/spill-directory.h"
#include "sweep.h"

#define PREPARE_TIMEOUT_SECONDS 10
#define RELEASE_TIMEOUT_SECONDS 3

typedef struct
{
  const char *name; // of the domain
  const char *xml;
  gsize xml_size;
} HookCall;

/* All of stdin, or what fits DOMAIN_XML_SIZE_MAX and one byte more; libvirt must never find its
   pipe closed.  */
static GString *
read_stdin (void)
{
  GString *xml = g_string_sized_new (16384);
  static char buffer[65536];
  gssize count;

  while ((count = read (STDIN_FILENO, buffer, sizeof buffer)) > 0)
    {
      gsize room = DOMAIN_XML_SIZE_MAX + 1 - xml->len;
      g_string_append_len (xml, buffer, (gssize)MIN ((gsize)count, room));
    }
  return xml;
}

static JsonNode *
call_gildd (const Config *config, const char *method, const char *name, const char *verb,
            JsonNode *body, guint timeout_seconds, GError **error)
{
  g_autofree char *socket_path = config_run_path (config, "gildd.sock", NULL);
  g_autofree char *path = g_strconcat ("/desktops/", name, verb, NULL);

  return control_call (socket_path, method, path, body, timeout_seconds, error);
}

/* Remove what the desktop NAME has in the run directory: overlays, mount, pin.  */
static gboolean
clear_run_directory (const Config *config, const char *name, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (OverlayMount) mount = overlay_mount_open (config->run_dir, name, &cause);

  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return TRUE;
  if (!mount)
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!overlay_mount_has_leftovers (mount))
    return TRUE;
  gboolean done = overlay_mount_remove (mount, error);
  // The pin goes last, since the overlay needs what it holds; it goes even if the directory stays.
  g_autoptr (JsonNode) answer =
      call_gildd (config, "DELETE", name, "", NULL, RELEASE_TIMEOUT_SECONDS, NULL);
  return overlay_mount_remove_pin (mount, done ? error : NULL) && done;
}

/* Remove all that the desktop NAME has, be it on the disk or in RAM, when it is kept if it is to
 * be.  */
static gboolean
clear_away (const Config *config, const char *name, GError **error)
{
  gboolean done = keep_run (config, name, error);

  done = spill_directory_remove (config, name, done ? error : NULL) && done;

  return clear_run_directory (config, name, done ? error : NULL) && done;
}

/* Start the qemu-img that makes DISK's overlay in the working directory.  */
static GSubprocess *
start_overlay (const PrepareDisk *disk, GError **error)
{
  g_autofree char *file = g_strconcat (disk->target, ".qcow2", NULL);
  g_auto (GStrv) argv = overlay_create_argv (file, "raw", disk->backing, disk->virtual_size_bytes);

  return g_subprocess_newv ((const char *const *)argv,
                            G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE,
                            error);
}

static gboolean
finish_overlay (const PrepareDisk *disk, GSubprocess *qemu_img, GError **error)
{
  g_autofree char *message = NULL;

  if (!g_subprocess_communicate_utf8 (qemu_img, NULL, NULL, NULL, &message, error))
    return FALSE;
  if (!g_subprocess_get_successful (qemu_img))
    return fail (error, "the overlay of disk %s cannot be made: %s", disk->target,
                 message ? g_strstrip (message) : "");
  return TRUE;
}

/* Make the overlays in the working directory, all at once.  */
static gboolean
make_overlays (const GPtrArray *disks, GError **error)
{
  g_autoptr (GPtrArray) children = g_ptr_array_new_with_free_func (g_object_unref);
  gboolean done = TRUE;

  for (guint i = 0; done && i < disks->len; i++)
    {
      GSubprocess *qemu_img = start_overlay (disks->pdata[i], error);
      if (qemu_img)
        g_ptr_array_add (children, qemu_img);
      done = qemu_img != NULL;
    }
  // Also after a failure each is waited for: what it writes to is unmounted next.
  for (guint i = 0; i < children->len; i++)
    done = finish_overlay (disks->pdata[i], children->pdata[i], done ? error : NULL) && done;
  return done;
}

static gboolean
set_up (const Config *config, const Metadata *metadata, GError **error)
{
  g_autofree char *nbd_socket = config_run_path (config, "nbd.sock", NULL);
  g_autoptr (JsonNode) request = prepare_request (metadata);
  g_autoptr (JsonNode) node = call_gildd (config, "POST", metadata->name, "/prepare", request,
                                          PREPARE_TIMEOUT_SECONDS, error);
  g_autoptr (PrepareAnswer) answer =
      node ? prepare_answer_read (json_node_get_object (node), metadata, nbd_socket, error) : NULL;
  g_autoptr (OverlayMount) mount =
      answer ? overlay_mount_open (config->run_dir, metadata->name, error) : NULL;

  return mount && spill_directory_remove (config, metadata->name, error)
         && overlay_mount_make (mount, answer->overlay_bytes, error)
         && make_overlays (answer->disks, error);
}

static gboolean
prepare (const HookCall *call, GError **error)
{
  if (!metadata_is_mentioned (call->xml, call->xml_size))
    return TRUE;

  g_autoptr (GError) cause = NULL;
  g_autoptr (Config) config = config_load (NULL, error);
  g_autoptr (Metadata) metadata =
      config ? metadata_parse (call->xml, call->xml_size, config->run_dir, &cause) : NULL;

  if (cause)
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!metadata)
    return config != NULL;
  if (!g_str_equal (metadata->name, call->name))
    return fail (error, "the domain %s comes with the XML of %s", call->name, metadata->name);
  if (geteuid () != 0)
    return fail (error, "a desktop needs root: define and start it at qemu:///system");
  sweep_run (config, NULL);                // what others left must not keep this one from starting
  keep_run (config, metadata->name, NULL); // nor what could not be kept of its own
  if (set_up (config, metadata, error))
    return TRUE;
  clear_away (config, metadata->name, NULL);
  return FALSE;
}

static gboolean
release (const HookCall *call, GError **error)
{
  if (!desktop_name_check (call->name, NULL))
    return TRUE;

  // Of a domain that is not ours not even a broken configuration is news.
  gboolean mentioned = metadata_is_mentioned (call->xml, call->xml_size);
  g_autoptr (Config) config = config_load (NULL, mentioned ? error : NULL);
  if (!config)
    return !mentioned;
  gboolean done = clear_away (config, call->name, error);
  if (mentioned)
    sweep_run (config, NULL);
  return done;
}

/* Whether the domain has gild's metadata, be it good or bad.  */
static gboolean
is_ours (const HookCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Metadata) metadata = metadata_parse (call->xml, call->xml_size, "/", &error);

  return metadata || error;
}

static gboolean
refuse_restore (const HookCall *call, GError **error)
{
  return !is_ours (call)
         || fail (
             error,
             "desktop %s cannot be restored, since its overlay was in RAM and went when it was saved: start it afresh with `virsh start --force-boot %s`",
             call->name, call->name);
}

static gboolean
refuse_migration (const HookCall *call, GError **error)
{
  return !is_ours (call)
         || fail (
             error,
             "desktop %s cannot migrate, since its overlay is in the RAM of the host that it runs on: shut it down there and start it here with `virsh start %s`",
             call->name, call->name);
}

/* Of root's capabilities the hook needs two: to mount, and to change what is gild's.  qemu-img has
   none.  No PR_SET_NO_NEW_PRIVS: AppArmor would then refuse qemu-img, which leaves libvirtd's
   profile; and an empty bounding set gives nothing to anybody.  */
static gboolean
drop_privileges (GError **error)
{
  const guint64 needed = PRIVILEGE_BIT (CAP_SYS_ADMIN) | PRIVILEGE_BIT (CAP_DAC_OVERRIDE);

  return geteuid () != 0 || (privilege_empty_bounding_set () && privilege_keep (needed, FALSE))
         || fail_errno (error, "cannot drop root's capabilities");
}

static const struct
{
  const char *name, *sub_operation;
  gboolean (*run) (const HookCall *call, GError **error);
  int failure; // exit status
} OPERATIONS[] = {
  { "prepare", "begin", prepare, 1 },
  { "release", "end", release, 0 },
  { "restore", "begin", refuse_restore, 1 },
  { "migrate", "begin", refuse_migration, 1 },
};

/* --sweep: not by libvirt, but at gildd's start.  The configuration may be one of its own.  */
static int
sweep (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Config) config = NULL;

  if (geteuid () != 0)
    fail (&error, "only root can sweep");
  else if (drop_privileges (&error) && (config = config_load (NULL, &error))
           && sweep_run (config, &error))
    return 0;
  g_printerr ("gild: %s\n", error->message);
  return 1;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  umask (0077); // what is made is for root and QEMU alone
  if (argc == 2 && g_str_equal (argv[1], "--sweep"))
    return sweep ();
  if (argc < 4)
    {
      g_printerr ("gild: libvirt runs this as a hook: DOMAIN OPERATION SUB-OPERATION EXTRA\n");
      return 2;
    }
  clearenv (); // so that the configuration is the installed one
  g_autoptr (GString) xml = read_stdin ();
  const HookCall call = { argv[1], xml->str, xml->len };
  for (gsize i = 0; i < G_N_ELEMENTS (OPERATIONS); i++)
    {
      if (!g_str_equal (argv[2], OPERATIONS[i].name)
          || !g_str_equal (argv[3], OPERATIONS[i].sub_operation))
        continue;
      if (drop_privileges (&error) && OPERATIONS[i].run (&call, &error))
        return 0;
      g_printerr ("gild: %s\n", error->message);
      return OPERATIONS[i].failure;
    }
  return 0;
}
