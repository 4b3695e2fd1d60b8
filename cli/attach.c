// SPDX-License-Identifier: GPL-2.0-or-later
// gild attach: an image becomes a drive of this host itself; what is written goes to RAM.
//
// From the bottom up: nbdkit's export, the overlay in a tmpfs, qemu-storage-daemon's file of both
// (fuse-disk.h), a loop device, a file system.  Each is held by the next alone, so who is killed on
// the way leaves only files and a pin, which the next attach at this place takes, or the sweep
// (sweep.h).

#include "gild.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach-mount.h"
#include "daemon/control-client.h"
#include "qcow-backing/channel-record.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/fuse-disk.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/overlay.h"
#include "qcow-backing/pins.h"
#include "qcow-backing/site.h"
#include "qcow-backing/size.h"
#include "virt-hooks/attachment.h"
#include "virt-hooks/overlay-mount.h"
#include "virt-hooks/prepare-answer.h"
#include "virt-hooks/sweep.h"

#define PREPARE_TIMEOUT_SECONDS 60
#define RELEASE_TIMEOUT_SECONDS 5
#define ENDING_SECONDS          5
#define TARGET                  "vda"
#define OVERLAY                 TARGET ".qcow2"

/* What is asked for, and then what there is.  */
typedef struct
{
  const Config *config;
  const char *image;
  guint version;         // 0: production's, until gildd has said
  guint64 overlay_bytes; // 0: the configuration's
  AttachMount mount;
  char *directory, *name, *loop_name;
  ChildIdentity identity;
} Attach;

static void
attach_clear (Attach *attach)
{
  g_free (attach->directory);
  g_free (attach->name);
  g_free (attach->loop_name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Attach, attach_clear)

static JsonNode *
call_gildd (const Config *config, const char *method, const char *name, const char *verb,
            JsonNode *body, guint timeout_seconds, GError **error)
{
  g_autofree char *socket_path = config_run_path (config, "gildd.sock", NULL);
  g_autofree char *path = g_strconcat ("/desktops/", name, verb, NULL);

  return control_call (socket_path, method, path, body, timeout_seconds, error);
}

/* As if it were a domain with one disk, which may not spill.  */
static Metadata *
describe (const Attach *attach)
{
  Metadata *metadata = g_new0 (Metadata, 1);
  MetadataDisk *disk = g_new0 (MetadataDisk, 1);

  metadata->name = g_strdup (attach->name);
  metadata->uuid = g_uuid_string_random ();
  metadata->overlay_bytes = attach->overlay_bytes;
  metadata->has_spill = TRUE;
  metadata->disks = g_ptr_array_new_with_free_func (metadata_disk_free);
  g_ptr_array_add (metadata->disks, disk);
  disk->target = g_strdup (TARGET);
  disk->image = g_strdup (attach->image);
  disk->channel = attach->version ? NULL : g_strdup (CHANNEL_DEFAULT);
  disk->version = attach->version;
  return metadata;
}

/* Have gildd choose the version and pin it.  */
static PrepareAnswer *
prepare (Attach *attach, GError **error)
{
  g_autofree char *nbd_socket = config_run_path (attach->config, "nbd.sock", NULL);
  g_autoptr (Metadata) metadata = describe (attach);
  g_autoptr (JsonNode) body = prepare_request (metadata);
  guint64 version;

  json_object_set_string_member (json_node_get_object (body), "directory", attach->directory);
  g_autoptr (JsonNode) node = call_gildd (attach->config, "POST", attach->name, "/prepare", body,
                                          PREPARE_TIMEOUT_SECONDS, error);
  JsonObject *object = node ? json_node_get_object (node) : NULL;
  g_autoptr (PrepareAnswer) answer =
      object ? prepare_answer_read (object, metadata, nbd_socket, error) : NULL;
  if (!answer)
    return NULL;
  JsonArray *disks = json_object_get_array_member (object, "disks");
  if (!json_read_uint (json_array_get_object_element (disks, 0), "version", 1, VERSION_MAX,
                       &version, error))
    return NULL;
  attach->version = (guint)version;
  attach->overlay_bytes = answer->overlay_bytes;
  return g_steal_pointer (&answer);
}

/* Make the overlay in the working directory, which is the tmpfs.  */
static gboolean
make_overlay (const Attach *attach, const PrepareDisk *disk, GError **error)
{
  g_auto (GStrv) argv =
      overlay_create_argv (OVERLAY, "raw", disk->backing, disk->virtual_size_bytes);

  if (!attach_run (argv, error))
    {
      g_prefix_error (error, "the overlay cannot be made: ");
      return FALSE;
    }
  return (chmod (OVERLAY, 0600) == 0
          && (!attach->identity.is_needed
              || chown (OVERLAY, attach->identity.uid, attach->identity.gid) == 0))
         || fail_errno (error, "the overlay cannot be given to the user gild");
}

static gboolean
mount_disk (const Attach *attach, GError **error)
{
  g_autofree char *socket = config_run_path (attach->config, "nbd.sock", NULL);
  g_autofree char *overlay =
      config_run_path (attach->config, "desktops", attach->name, OVERLAY, NULL);
  g_autofree char *export = g_strdup_printf ("%s@%u", attach->image, attach->version);
  const FuseDisk disk = { overlay, socket, export, attach->identity };
  int fd = fuse_disk_open (&disk, error);
  gboolean done = fd >= 0 && attach_mount (fd, &attach->mount, error);

  if (fd >= 0)
    close (fd);
  if (!done)
    g_prefix_error (error, "%s cannot be attached at %s: ", export, attach->directory);
  return done;
}

/* Remove what there is but the disk, which goes by itself.  */
static void
clear_away (const Attach *attach, OverlayMount *overlays)
{
  overlay_mount_remove (overlays, NULL);
  g_autoptr (JsonNode) answer =
      call_gildd (attach->config, "DELETE", attach->name, "", NULL, RELEASE_TIMEOUT_SECONDS, NULL);
  overlay_mount_remove_pin (overlays, NULL);
}

static gboolean
make (Attach *attach, OverlayMount *overlays, GError **error)
{
  g_autoptr (PrepareAnswer) answer = prepare (attach, error);

  if (!answer)
    return FALSE;
  if (overlay_mount_make (overlays, answer->overlay_bytes, error)
      && make_overlay (attach, answer->disks->pdata[0], error) && mount_disk (attach, error))
    return TRUE;
  clear_away (attach, overlays);
  return FALSE;
}

/* Whether nothing is attached there, nor on its way to its end.  */
static gboolean
check_free (const Attach *attach, const OverlayMount *overlays, GError **error)
{
  const char *run_dir = attach->config->run_dir;
  gint64 end = g_get_monotonic_time () + ENDING_SECONDS * G_TIME_SPAN_SECOND;

  while (overlay_mount_is_held (overlays) && g_get_monotonic_time () < end
         && !attachment_has_mounts (run_dir, attach->name))
    g_usleep (G_TIME_SPAN_SECOND / 50);
  return (!overlay_mount_is_held (overlays) && !attachment_has_mounts (run_dir, attach->name))
         || fail (error, "an image is attached at %s already: `gild detach %s` ends that",
                  attach->directory, attach->directory);
}

static gboolean
run (Attach *attach, const char *path, GError **error)
{
  if (geteuid () != 0)
    return fail (error, "only root can attach an image: run it with sudo");
  attach->directory = attachment_directory (path, error);
  if (!attach->directory || !pin_directory_check (attach->directory, error)
      || !site_owner_identity (attach->config, &attach->identity, error))
    return FALSE;
  attach->name = attachment_name (attach->config->run_dir, attach->directory);
  attach->loop_name = attachment_loop_name (attach->name);
  attach->mount.loop_name = attach->loop_name;
  attach->mount.directory = attach->directory;
  int lock = attachment_lock (attach->directory, error);
  if (lock < 0)
    return FALSE;
  g_autoptr (OverlayMount) overlays =
      overlay_mount_open (attach->config->run_dir, attach->name, error);
  gboolean done = overlays && check_free (attach, overlays, error);
  if (done)
    {
      sweep_run (attach->config, NULL); // what others left is in nobody's way here
      done = make (attach, overlays, error);
    }
  close (lock);
  return done;
}

static void
print_result (const Attach *attach, gboolean json)
{
  g_autofree char *cap = size_format (attach->overlay_bytes);

  if (!json)
    {
      printf ("%s@%u is at %s", attach->image, attach->version, attach->directory);
      if (attach->mount.read_only)
        printf (", read-only\n");
      else
        printf ("; what is written there, up to %s, is gone after `gild detach %s`\n", cap,
                attach->directory);
      return;
    }
  g_autoptr (JsonObject) object = json_object_new ();
  json_object_set_string_member (object, "name", attach->name);
  json_object_set_string_member (object, "directory", attach->directory);
  json_object_set_string_member (object, "image", attach->image);
  json_object_set_int_member (object, "version", attach->version);
  json_object_set_int_member (object, "overlay", (gint64)attach->overlay_bytes);
  json_print_object (object);
}

static gboolean
read_numbers (Attach *attach, const char *overlay, GError **error)
{
  if (!attach_check_partition (attach->mount.partition, error))
    return FALSE;
  if (!overlay)
    return TRUE;
  if (!size_parse (overlay, &attach->overlay_bytes, error))
    return FALSE;
  return (attach->overlay_bytes >= DESKTOP_OVERLAY_MIN && attach->overlay_bytes <= DESKTOP_SIZE_MAX)
         || fail (error, "--overlay: %s is out of range: write a size from 1MiB to 1024TiB",
                  overlay);
}

ExitStatus
verb_attach (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_auto (Attach) attach = { .mount.partition = ATTACH_ONLY_PARTITION };
  g_autofree char *overlay = NULL, *image = NULL;
  const GOptionEntry options[] = {
    { "partition", 0, 0, G_OPTION_ARG_INT, &attach.mount.partition,
      "Which partition of the disk; 0: all of it", "N" },
    { "read-only", 0, 0, G_OPTION_ARG_NONE, &attach.mount.read_only, "Take no writes", NULL },
    { "overlay", 0, 0, G_OPTION_ARG_STRING, &overlay, "As much RAM for what is written, as in 2GiB",
      "SIZE" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "IMAGE[@VERSION] DIRECTORY",
          "Make a version of IMAGE, the production one if none is named, a drive of this host at DIRECTORY.\n"
          "What is written there goes to RAM, and is thrown away by `gild detach DIRECTORY`.",
          2, 2, &status))
    return status;
  if (!image_ref_parse (verb.argv[0], &image, &attach.version, &error)
      || !read_numbers (&attach, overlay, &error))
    return verb_usage (&verb, error);
  attach.config = verb.config;
  attach.image = image;
  if (!run (&attach, verb.argv[1], &error))
    return verb_fail (&verb, error);
  print_result (&attach, verb.json);
  return EXIT_DONE;
}
