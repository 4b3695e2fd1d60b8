// SPDX-License-Identifier: GPL-2.0-or-later
// The picture of a staged rollout, from what hosts have told of their desktops.

#include "rollout-picture.h"

#include <string.h>

#include "qcow-backing/rollout-bucket.h"

#define GONE_SECONDS (G_GINT64_CONSTANT (14) * 24 * 3600) // a host that is not waited for any more
#define BLAMED_MAX   5

/* Note what HOST has TOLD of the versions of PLAN; NULL: nothing since this gildd runs.  */
static void
note_boots (const RolloutView *view, const char *host, const GPtrArray *told)
{
  const RolloutPlan *plan = view->plan;
  const guint versions[] = { plan->base, plan->version };
  GPtrArray *kept;

  if (!told)
    return;
  kept = boot_counts_list_new ();
  for (gsize i = 0; i < G_N_ELEMENTS (versions); i++)
    {
      g_autofree char *ref = g_strdup_printf ("%s@%u", plan->image, versions[i]);
      const BootCounts *counts = boot_counts_find (told, ref);
      BootCounts *copy = counts ? boot_counts_new (ref) : NULL;
      if (!copy)
        continue;
      boot_counts_add (copy, counts);
      g_ptr_array_add (kept, copy);
    }
  g_hash_table_replace (view->progress->hosts, g_strdup (host), kept);
}

/* Add the boots of VERSION that HOST has told of to SUM.  */
static void
add_boots (const RolloutView *view, const char *host, guint version, BootCounts *sum)
{
  const GPtrArray *boots = g_hash_table_lookup (view->progress->hosts, host);
  g_autofree char *ref = g_strdup_printf ("%s@%u", view->plan->image, version);
  const BootCounts *counts = boots ? boot_counts_find (boots, ref) : NULL;

  if (counts)
    boot_counts_add (sum, counts);
}

/* Whether a host that has TOLD so has booted no desktop from IMAGE of late.  */
static gboolean
is_without (const GPtrArray *told, const char *image)
{
  for (guint i = 0; told && i < told->len; i++)
    {
      const BootCounts *counts = told->pdata[i];
      if (g_str_has_prefix (counts->ref, image) && counts->ref[strlen (image)] == '@')
        return FALSE;
    }
  return told != NULL;
}

/* Add HOST, which is IS_THERE, to PICTURE.  */
static void
add_host (const RolloutView *view, const char *host, gboolean is_there, const GPtrArray *told,
          guint stage, RolloutPicture *picture)
{
  const RolloutPlan *plan = view->plan;
  guint bucket = rollout_bucket (plan->image, plan->version, host);
  guint previous = stage > 0 ? rollout_plan_percent (plan, stage - 1) : 0;

  note_boots (view, host, told);
  add_boots (view, host, plan->base, &picture->before);
  if (bucket >= picture->percent)
    return;
  add_boots (view, host, plan->version, &picture->reached);
  if (bucket < previous)
    return;
  add_boots (view, host, plan->version, &picture->added);
  picture->n_added += is_there && !is_without (told, plan->image);
}

RolloutPicture
rollout_picture_take (const RolloutView *view, guint stage)
{
  const RolloutPlan *plan = view->plan;
  RolloutPicture picture = {
    .percent = rollout_plan_percent (plan, stage),
    .next_percent = rollout_plan_percent (plan, stage + 1),
    .seconds = view->progress->seconds,
    .wait_seconds = plan->wait_seconds,
    .is_paused = rollout_plan_is_paused (view->library, plan->image),
  };
  g_autoptr (GPtrArray) hosts = host_list_get (view->list);
  g_autoptr (GPtrArray) own = boot_counts_load (view->config);
  gint64 now_us = g_get_monotonic_time ();

  add_host (view, image_library_host (view->library), TRUE, own, stage, &picture);
  for (guint i = 0; i < hosts->len; i++)
    {
      const Host *host = hosts->pdata[i];
      g_autoptr (GPtrArray) told = heartbeats_boots (view->heartbeats, host->name);
      gboolean is_there = host->seen_us != HOST_NEVER_SEEN
                          && now_us - host->seen_us <= GONE_SECONDS * G_USEC_PER_SEC;
      add_host (view, host->name, is_there, told, stage, &picture);
    }
  return picture;
}

char *
rollout_picture_blame (const RolloutView *view)
{
  g_autoptr (GList) names =
      g_list_sort (g_hash_table_get_keys (view->progress->hosts), (GCompareFunc)g_strcmp0);
  g_autoptr (GString) text = g_string_new (NULL);
  guint n = 0;

  for (GList *l = names; l; l = l->next)
    {
      BootCounts counts = { 0 };
      add_boots (view, l->data, view->plan->version, &counts);
      if (counts.late + counts.crashes + counts.resets + counts.gone > 0 && n++ < BLAMED_MAX)
        g_string_append_printf (text, "%s%s", n > 1 ? ", " : " (", (const char *)l->data);
    }
  if (n > 0)
    g_string_append (text, n > BLAMED_MAX ? ", ...)" : ")");
  return g_string_free (g_steal_pointer (&text), FALSE);
}
