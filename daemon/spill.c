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
#include <sys/statvfs.h>

#include "libvirt-connection.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/overlay.h"
#include "qcow-backing/spill-directory.h"
#include "spill-xml.h"
#include "virt-hooks/domain-disk.h"

#define DISK_RESERVE_PART 10 // of the disk, that spilling leaves free

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

/* Make the overlay on disk over that in RAM of disk TARGET.  QEMU's user gets it from libvirt.  */
static gboolean
make_overlay (const Config *config, const char *name, const char *target, virDomainPtr domain,
              GError **error)
{
  g_autofree char *path = spill_overlay_path (config, name, target);
  g_autofree char *below = domain_disk_overlay_path (config->run_dir, name, target);
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
make_overlays (const Config *config, const Pin *pin, virDomainPtr domain, GError **error)
{
  g_autofree char *directory = config_state_path (config, "spill", pin->name, NULL);

  // Closed until each file in it is QEMU's alone; then open to who knows their names.
  if (mkdir (directory, 0700) < 0)
    return fail_errno (error, "make %s", directory);
  for (guint i = 0; i < pin->targets->len; i++)
    if (!make_overlay (config, pin->name, pin->targets->pdata[i], domain, error))
      return FALSE;
  return chmod (directory, 0711) == 0 || fail_errno (error, "%s", directory);
}

static gboolean
take_snapshot (const Config *config, const Pin *pin, virDomainPtr domain, GError **error)
{
  g_autofree char *xml = get_xml (domain, 0, error);
  g_autofree char *snapshot_xml =
      xml ? spill_xml_snapshot (config, pin->name, pin->targets, xml, strlen (xml), error) : NULL;

  if (!snapshot_xml)
    return FALSE;
  virDomainSnapshotPtr snapshot = virDomainSnapshotCreateXML (domain, snapshot_xml, SNAPSHOT_FLAGS);
  if (!snapshot)
    return libvirt_fail (error, "libvirt");
  virDomainSnapshotFree (snapshot);
  return TRUE;
}

gboolean
spill_look (const Config *config, const Pin *pin, virDomainPtr domain, gboolean *is_spilled,
            GError **error)
{
  g_autofree char *xml = get_xml (domain, 0, error);

  *is_spilled = FALSE;
  for (guint i = 0; xml && i < pin->targets->len; i++)
    *is_spilled =
        *is_spilled
        || spill_xml_is_spilled (config, pin->name, pin->targets->pdata[i], xml, strlen (xml));
  return xml != NULL;
}

gboolean
spill_start (const Config *config, const Pin *pin, virDomainPtr domain, GError **error)
{
  g_autoptr (GError) left = NULL;
  gboolean is_spilled;

  if (!spill_directory_remove (config, pin->name, error))
    return FALSE;
  gboolean done =
      make_overlays (config, pin, domain, error) && take_snapshot (config, pin, domain, error);
  // Also a snapshot that failed may have changed the definition; it must not name what goes.
  if (!spill_restore_definition (config, domain, &left))
    g_message ("%s: its definition names the overlays on disk: %s", pin->name, left->message);
  if (!done && spill_look (config, pin, domain, &is_spilled, NULL) && !is_spilled)
    spill_directory_remove (config, pin->name, NULL);
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

guint64
spill_used_bytes (const Config *config, const Pin *pin)
{
  guint64 used = 0;

  for (guint i = 0; i < pin->targets->len; i++)
    {
      g_autofree char *path = spill_overlay_path (config, pin->name, pin->targets->pdata[i]);
      struct stat status;
      if (lstat (path, &status) == 0)
        used += (guint64)status.st_blocks * 512;
    }
  return used;
}

guint64
spill_length_bytes (const Config *config, const Pin *pin, const char *target)
{
  g_autofree char *path = spill_overlay_path (config, pin->name, target);
  struct stat status;

  return lstat (path, &status) == 0 ? (guint64)status.st_size : 0;
}

guint64
spill_disk_room_bytes (const Config *config)
{
  g_autofree char *path = config_state_path (config, "spill", NULL);
  struct statvfs status;

  if (statvfs (path, &status) < 0)
    return 0;
  guint64 reserve = (guint64)status.f_blocks / DISK_RESERVE_PART;
  return status.f_bavail > reserve ? (status.f_bavail - reserve) * status.f_frsize : 0;
}
