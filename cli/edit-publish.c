// SPDX-License-Identifier: GPL-2.0-or-later
// Publishing what an edit has changed: read as nobody special, written by the store's owner.

#include "edit-publish.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "edit-signals.h"
#include "gild.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/site.h"

/* What the child process that publishes works with, and its result in memory that both share.  */
typedef struct
{
  const PublishOptions *options;
  const SigningKey *key;
  NbdSource *source;
  pid_t parent;
  PublishResult *result;
} Publishing;

static gboolean
publish_as_owner (const Config *config, gpointer data, GError **error)
{
  const Publishing *publishing = data;
  g_autoptr (ImageLibrary) library = NULL;

  if (geteuid () != 0 && getpid () != publishing->parent)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      if (getppid () != publishing->parent)
        return fail (error, "gild was killed");
    }
  library = image_library_open (config, error);
  if (!library)
    return FALSE;
  g_autoptr (TerminalProgress) shown = terminal_progress_new (publishing->options->image);
  Progress progress = *terminal_progress_get (shown);
  progress.cancelled = edit_signals_interrupted (); // this process may be signalled, or its parent
  if (!edit_signals_catch (error))
    return FALSE;
  return publish_run (library, publishing->key, publishing->source, publishing->options, &progress,
                      publishing->result, error);
}

gboolean
edit_publish (const EditCopy *copy, PublishResult *result, GError **error)
{
  g_autoptr (GPtrArray) chain = disk_image_overlay (copy->disk, copy->backing, copy->reader, error);
  g_autoptr (SigningKey) key = chain ? site_load_signing_key (copy->config, error) : NULL;
  g_autoptr (NbdSource) source =
      key ? nbd_source_open (chain, PUBLISH_WORKERS, copy->reader, error) : NULL;
  PublishResult *shared =
      mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  if (shared == MAP_FAILED)
    return fail_errno (error, "publish");
  Publishing publishing = { copy->options, key, source, getpid (), shared };
  gboolean done =
      source && site_run_as_store_owner (copy->config, publish_as_owner, &publishing, error);
  *result = *shared;
  munmap (shared, sizeof *shared);
  return done;
}
