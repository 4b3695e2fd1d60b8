// SPDX-License-Identifier: GPL-2.0-or-later
// Spilling: a desktop whose overlay in RAM fills up writes to an overlay on disk from then on.
//
// It is an external snapshot of libvirt's, without metadata, to files that are there before: QEMU
// swaps the layers between two requests of the guest.  libvirt also writes the new files into the
// persistent definition, which is put right at once; whoever is killed in between leaves that to
// spill_restore_definition.

#include "spill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvirt-connection.h"
#include "qcow-backing/directory.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/overlay.h"
#include "qcow-backing/spill-directory.h"
#include "spill-xml.h"
#include "virt-hooks/domain-disk.h"

#define SNAPSHOT_FLAGS                                                                             \
  (VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA                   \
   | VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC | VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT)

/* The XML of DOMAIN, as GLib's.  */
static char *
get_xml (virDomainPtr domain, guint flags, GError **error)
{
  char *xml = virDomainGetXMLDesc (domain, flags);
  char *copy = g_strdup (xml);

  free (xml);
  if (!copy)
    libvirt_fail (error, "read the domain's XML");
  return copy;
}

/* The file of a layer, of which 0 is that in RAM.  */
static char *
layer_path (const Config *config, const char *name, const char *target, guint layer)
{
  return layer ? spill_layer_path (config, name, target, layer)
               : domain_disk_overlay_path (config->run_dir, name, target);
}

/* Make layer LAYER of disk TARGET.  QEMU's user gets it from libvirt.  */
static gboolean
make_overlay (const Config *config, const char *name, const char *target, guint layer,
              virDomainPtr domain, GError **error)
{
  g_autofree char *path = layer_path (config, name, target, layer);
  g_autofree char *below = layer_path (config, name, target, layer - 1);
  g_autofree char *message = NULL;
  virDomainBlockInfo info;

  if (virDomainGetBlockInfo (domain, target, &info, 0) < 0)
    return libvirt_fail (error, "measure the disk");
  g_auto (GStrv) argv = overlay_create_argv (path, "qcow2", below, info.capacity);
  g_autoptr (GSubprocess) qemu_img =
      g_subprocess_newv ((const char *const *)argv,
                         G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE, error);
  if (!qemu_img || !g_subprocess_communicate_utf8 (qemu_img, NULL, NULL, NULL, &message, error))
    return FALSE;
  if (!g_subprocess_get_successful (qemu_img))
    return fail (error, "%s", message ? g_strstrip (message) : "qemu-img failed");
  return chmod (path, 0600) == 0 || fail_errno (error, "%s", path);
}

static gboolean
make_overlays (const Config *config, const Pin *pin, guint layer, virDomainPtr domain,
               GError **error)
{
  g_autofree char *directory = config_state_path (config, "spill", pin->name, NULL);

  // Closed until each file in it is QEMU's alone; then open to who knows their names.
  if (layer == 1 && mkdir (directory, 0700) < 0)
    return fail_errno (error, "make %s", directory);
  for (guint i = 0; i < pin->targets->len; i++)
    if (!make_overlay (config, pin->name, pin->targets->pdata[i], layer, domain, error))
      return FALSE;
  return chmod (directory, 0711) == 0 || fail_errno (error, "%s", directory);
}

static gboolean
take_snapshot (const Config *config, const Pin *pin, guint layer, virDomainPtr domain,
               GError **error)
{
  g_autofree char *xml = get_xml (domain, 0, error);
  g_autofree char *snapshot_xml =
      xml ? spill_xml_snapshot (config, pin->name, pin->targets, layer, xml, strlen (xml), error)
          : NULL;

  if (!snapshot_xml)
    return FALSE;
  virDomainSnapshotPtr snapshot = virDomainSnapshotCreateXML (domain, snapshot_xml, SNAPSHOT_FLAGS);
  if (!snapshot)
    return libvirt_fail (error, "libvirt");
  virDomainSnapshotFree (snapshot);
  return TRUE;
}

gboolean
spill_look (const Config *config, const Pin *pin, virDomainPtr domain, guint *layers,
            GError **error)
{
  g_autofree char *xml = get_xml (domain, 0, error);

  *layers = 0;
  for (guint i = 0; xml && i < pin->targets->len; i++)
    *layers = MAX (*layers,
                   spill_xml_layer (config, pin->name, pin->targets->pdata[i], xml, strlen (xml)));
  return xml != NULL;
}

/* Remove the files of layer LAYER, which nobody uses.  */
static void
remove_layer (const Config *config, const Pin *pin, guint layer)
{
  for (guint i = 0; i < pin->targets->len; i++)
    {
      g_autofree char *path = layer_path (config, pin->name, pin->targets->pdata[i], layer);
      unlink (path);
    }
}

/* Remove what a layer on top of LAYERS may have left that was not made.  */
static gboolean
clear_above (const Config *config, const Pin *pin, guint layers, GError **error)
{
  if (layers == 0)
    return spill_directory_remove (config, pin->name, error);
  remove_layer (config, pin, layers + 1);
  return TRUE;
}

gboolean
spill_add_layer (const Config *config, const Pin *pin, virDomainPtr domain, guint layers,
                 GError **error)
{
  g_autoptr (GError) left = NULL;
  guint layers_now;

  if (layers >= SPILL_LAYERS_MAX)
    return fail (error, "it has %u overlays on disk, and more it cannot have: shut it down",
                 layers);
  if (!clear_above (config, pin, layers, error))
    return FALSE;
  gboolean done = make_overlays (config, pin, layers + 1, domain, error)
                  && take_snapshot (config, pin, layers + 1, domain, error);
  // Also a snapshot that failed may have changed the definition; it must not name what goes.
  if (!spill_restore_definition (config, domain, &left))
    g_message ("%s: its definition names the overlays on disk: %s", pin->name, left->message);
  if (!done && spill_look (config, pin, domain, &layers_now, NULL) && layers_now == layers)
    clear_above (config, pin, layers, NULL);
  return done;
}

gboolean
spill_restore_definition (const Config *config, virDomainPtr domain, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (virDomainIsPersistent (domain) != 1)
    return TRUE;
  g_autofree char *xml = get_xml (domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE, error);
  if (!xml)
    return FALSE;
  g_autofree char *restored =
      spill_xml_restore (config, virDomainGetName (domain), xml, strlen (xml), &cause);
  if (cause)
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!restored)
    return TRUE;
  virDomainPtr defined = virDomainDefineXML (virDomainGetConnect (domain), restored);
  if (!defined)
    return libvirt_fail (error, "define the domain");
  virDomainFree (defined);
  return TRUE;
}

static gboolean
stat_layer (const Config *config, const Pin *pin, const char *target, guint layer,
            struct stat *status)
{
  g_autofree char *path = spill_layer_path (config, pin->name, target, layer);

  return lstat (path, status) == 0;
}

guint64
spill_used_bytes (const Config *config, const Pin *pin)
{
  guint64 used = 0;
  struct stat status;

  for (guint i = 0; i < pin->targets->len; i++)
    for (guint layer = 1; stat_layer (config, pin, pin->targets->pdata[i], layer, &status); layer++)
      used += (guint64)status.st_blocks * 512;
  return used;
}

guint64
spill_length_bytes (const Config *config, const Pin *pin, const char *target)
{
  guint64 length = 0;
  struct stat status;

  for (guint layer = 1; stat_layer (config, pin, target, layer, &status); layer++)
    length = (guint64)status.st_size;
  return length;
}

guint64
spill_disk_room_bytes (const Config *config)
{
  int fd = spill_directory_open (config, NULL);
  guint64 room = fd < 0 ? 0 : directory_room_bytes (fd);

  if (fd >= 0)
    close (fd);
  return room;
}
