// SPDX-License-Identifier: GPL-2.0-or-later
// What there is to capture of a desktop: the disk, the version below it, and the files of its
// layers.

#include "capture-source.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/libvirt-connection.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/spill-directory.h"
#include "virt-hooks/domain-disk.h"
#include "virt-hooks/metadata.h"

void
capture_source_clear (CaptureSource *source)
{
  kept_overlays_free (source->kept);
  g_clear_pointer (&source->pin, pin_free);
  g_free (source->name);
  g_free (source->target);
  g_free (source->image);
  g_clear_pointer (&source->paths, g_ptr_array_unref);
}

/* Why the desktop NAME, which has no pin, cannot be captured.  */
static gboolean
fail_without_pin (const Config *config, const char *name, GError **error)
{
  g_autoptr (virConnect) connection = libvirt_connect (NULL);
  virDomainPtr domain = connection ? virDomainLookupByName (connection, name) : NULL;
  char *xml = domain ? virDomainGetXMLDesc (domain, VIR_DOMAIN_XML_INACTIVE) : NULL;
  gboolean is_ours = xml && metadata_is_mentioned (xml, strlen (xml));

  free (xml);
  if (connection && !domain)
    return fail (error, "libvirt knows no domain %s: `gild desktops` lists the desktops", name);
  virDomainFree (domain);
  if (connection && !is_ours)
    return fail (
        error, "%s is no desktop of gild's: publish a copy of its disk with `gild publish`", name);
  return fail (
      error,
      "%s does not run, and nothing is kept of it: start it, set up what you want, and say `gild capture` while it runs, or `gild keep %s` before it is shut down",
      name, name);
}

static gboolean
find_desktop (CaptureSource *source, GError **error)
{
  g_autoptr (GError) cause = NULL;

  source->kept = kept_load (source->config, source->name, &cause);
  if (source->kept && source->kept->failure)
    return fail (error, "%s: what it had written could not be kept: %s", source->name,
                 source->kept->failure);
  if (source->kept)
    return TRUE;
  if (!g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  g_autoptr (JsonNode) node = pin_load (source->config, source->name, NULL);
  if (!node)
    return fail_without_pin (source->config, source->name, error);
  source->pin = pin_read (node, error);
  if (source->pin && source->pin->directory)
    return fail (
        error,
        "%s is attached at %s, and only desktops are captured: change the image in a desktop, or with `gild edit`",
        source->name, source->pin->directory);
  return source->pin != NULL;
}

static const Pin *
pin_of (const CaptureSource *source)
{
  return source->kept ? source->kept->pin : source->pin;
}

static gboolean
find_target (CaptureSource *source, const char *target, GError **error)
{
  const Pin *pin = pin_of (source);
  g_autofree char **targets = g_new0 (char *, pin->targets->len + 1);

  memcpy (targets, pin->targets->pdata, pin->targets->len * sizeof *targets);
  g_autofree char *list = g_strjoinv (", ", targets);
  if (!target && pin->targets->len != 1)
    return fail (error, "%s has the disks %s: say which with --target", source->name, list);
  for (guint i = 0; i < pin->targets->len; i++)
    if (!target || g_str_equal (targets[i], target))
      {
        source->target = g_strdup (targets[i]);
        return image_ref_parse (pin->images->pdata[i], &source->image, &source->version, error);
      }
  return fail (error, "%s has no disk %s from an image; it has %s", source->name, target, list);
}

gboolean
capture_source_find (CaptureSource *source, const Config *config, const char *name,
                     const char *target, GError **error)
{
  source->config = config;
  source->name = g_strdup (name);
  return find_desktop (source, error) && find_target (source, target, error);
}

gboolean
capture_source_take (CaptureSource *source, CaptureInstant *instant, GError **error)
{
  const Config *config = source->config;
  const char *name = source->name, *target = source->target;

  *instant = (CaptureInstant){ 0 };
  if (!source->kept && !capture_instant_take (config, name, instant, error))
    return FALSE;
  source->paths = g_ptr_array_new_with_free_func (g_free);
  if (source->kept)
    for (guint layer = source->kept->layers; layer-- > 0;)
      g_ptr_array_add (source->paths, kept_layer_path (config, name, target, layer));
  else
    {
      for (guint layer = instant->layers; layer > 0; layer--)
        g_ptr_array_add (source->paths, spill_layer_path (config, name, target, layer));
      g_ptr_array_add (source->paths, domain_disk_overlay_path (config->run_dir, name, target));
    }
  return TRUE;
}
