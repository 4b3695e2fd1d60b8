// SPDX-License-Identifier: GPL-2.0-or-later
// Publishing by the store's owner what was opened by root: in a child process, if this one is root.

#include "publish-child.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "gild.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/site.h"

/* What the child process works with, and its result in memory that both share.  */
typedef struct
{
  const PublishChild *child;
  pid_t parent;
  PublishResult *result;
} Publishing;

static gboolean
publish_as_owner (const Config *config, gpointer data, GError **error)
{
  const Publishing *publishing = data;
  const PublishChild *child = publishing->child;

  if (getpid () != publishing->parent)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      if (getppid () != publishing->parent)
        return fail (error, "gild was killed");
    }
  g_autoptr (ImageLibrary) library = image_library_open (config, error);
  if (!library)
    return FALSE;
  g_autoptr (TerminalProgress) shown = terminal_progress_new (child->options->image);
  Progress progress = *terminal_progress_get (shown);
  return (!child->prepare || child->prepare (&progress, error))
         && publish_run (library, child->key, child->source, child->options, &progress,
                         publishing->result, error);
}

gboolean
publish_child_run (const Config *config, const PublishChild *child, PublishResult *result,
                   GError **error)
{
  PublishResult *shared =
      mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  if (shared == MAP_FAILED)
    return fail_errno (error, "publish");
  Publishing publishing = { child, getpid (), shared };
  gboolean done = site_run_as_store_owner (config, publish_as_owner, &publishing, error);
  *result = *shared;
  munmap (shared, sizeof *shared);
  return done;
}
