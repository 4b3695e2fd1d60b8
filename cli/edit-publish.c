// SPDX-License-Identifier: GPL-2.0-or-later
// Publishing what an edit has changed: read as nobody special, written by the store's owner.

#include "edit-publish.h"

#include "edit-signals.h"
#include "gild.h"
#include "publish-child.h"
#include "qcow-backing/site.h"

/* The process that publishes may be signalled, or its parent.  */
static gboolean
take_signals (Progress *progress, GError **error)
{
  progress->cancelled = edit_signals_interrupted ();
  return edit_signals_catch (error);
}

gboolean
edit_publish (const EditCopy *copy, PublishResult *result, GError **error)
{
  g_autoptr (GPtrArray) chain = disk_image_overlay (copy->disk, copy->backing, copy->reader, error);
  g_autoptr (SigningKey) key = chain ? site_load_signing_key (copy->config, error) : NULL;
  g_autoptr (NbdSource) source =
      key ? nbd_source_open (chain, PUBLISH_WORKERS, copy->reader, error) : NULL;
  const PublishChild child = { copy->options, key, source, take_signals };

  return source && publish_child_run (copy->config, &child, result, error);
}
