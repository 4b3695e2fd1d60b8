// SPDX-License-Identifier: GPL-2.0-or-later
// Tells the thread sanitizer of GLib's locks, queues and reference counts, which it cannot see, as
// GLib is built without it.
//
// gild finds these functions before GLib's of the same names, which they call.  GIO does not find
// them, since it has further means, unseen too, to keep its threads apart.

#include <dlfcn.h>
#include <glib.h>
#include <sanitizer/tsan_interface.h>

#define REAL(name) ((__typeof__ (&name))dlsym (RTLD_NEXT, #name))

static void
told_locked (GMutex *mutex)
{
  __tsan_mutex_post_lock (mutex, 0, 0);
}

static void
told_unlocked (GMutex *mutex)
{
  __tsan_mutex_pre_unlock (mutex, 0);
  __tsan_mutex_post_unlock (mutex, 0);
}

void
g_mutex_lock (GMutex *mutex)
{
  __tsan_mutex_pre_lock (mutex, 0);
  REAL (g_mutex_lock) (mutex);
  told_locked (mutex);
}

gboolean
g_mutex_trylock (GMutex *mutex)
{
  gboolean locked = REAL (g_mutex_trylock) (mutex);

  if (locked)
    {
      __tsan_mutex_pre_lock (mutex, __tsan_mutex_try_lock);
      __tsan_mutex_post_lock (mutex, __tsan_mutex_try_lock, 0);
    }
  return locked;
}

void
g_mutex_unlock (GMutex *mutex)
{
  told_unlocked (mutex);
  REAL (g_mutex_unlock) (mutex);
}

void
g_mutex_clear (GMutex *mutex)
{
  __tsan_mutex_destroy (mutex, 0);
  REAL (g_mutex_clear) (mutex);
}

void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  told_unlocked (mutex);
  REAL (g_cond_wait) (cond, mutex);
  __tsan_mutex_pre_lock (mutex, 0);
  told_locked (mutex);
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end_time)
{
  told_unlocked (mutex);
  gboolean signalled = REAL (g_cond_wait_until) (cond, mutex, end_time);
  __tsan_mutex_pre_lock (mutex, 0);
  told_locked (mutex);
  return signalled;
}

/* What a pool's function is called with was made before it was pushed, and what it did was done
   before the pool is gone.  */
typedef struct
{
  GFunc func;
  gpointer data;
} PoolCall;

static void
call_in_pool (gpointer item, gpointer data)
{
  PoolCall *call = data;

  __tsan_acquire (call);
  call->func (item, call->data);
  __tsan_release (call);
}

GThreadPool *
g_thread_pool_new_full (GFunc func, gpointer data, GDestroyNotify free_item, gint max,
                        gboolean exclusive, GError **error)
{
  PoolCall *call = g_new (PoolCall, 1);

  *call = (PoolCall){ func, data };
  return REAL (g_thread_pool_new_full) (call_in_pool, call, free_item, max, exclusive, error);
}

GThreadPool *
g_thread_pool_new (GFunc func, gpointer data, gint max, gboolean exclusive, GError **error)
{
  return g_thread_pool_new_full (func, data, NULL, max, exclusive, error);
}

gboolean
g_thread_pool_push (GThreadPool *pool, gpointer data, GError **error)
{
  __tsan_release (pool->user_data);
  return REAL (g_thread_pool_push) (pool, data, error);
}

void
g_thread_pool_free (GThreadPool *pool, gboolean immediate, gboolean wait)
{
  PoolCall *call = pool->user_data;

  REAL (g_thread_pool_free) (pool, immediate, wait);
  if (!wait)
    return; // its threads may still run
  __tsan_acquire (call);
  g_free (call);
}

/* What is popped was made before it was pushed.  */
void
g_async_queue_push (GAsyncQueue *queue, gpointer item)
{
  __tsan_release (queue);
  REAL (g_async_queue_push) (queue, item);
}

void
g_async_queue_push_front (GAsyncQueue *queue, gpointer item)
{
  __tsan_release (queue);
  REAL (g_async_queue_push_front) (queue, item);
}

gpointer
g_async_queue_pop (GAsyncQueue *queue)
{
  gpointer item = REAL (g_async_queue_pop) (queue);

  __tsan_acquire (queue);
  return item;
}

gpointer
g_async_queue_timeout_pop (GAsyncQueue *queue, guint64 timeout)
{
  gpointer item = REAL (g_async_queue_timeout_pop) (queue, timeout);

  __tsan_acquire (queue);
  return item;
}

/* Who gives up the last reference comes after all that others did with theirs.  */
gboolean (g_atomic_ref_count_dec) (gatomicrefcount *count)
{
  __tsan_release (count);
  gboolean is_last = REAL (g_atomic_ref_count_dec) (count);
  if (is_last)
    __tsan_acquire (count);
  return is_last;
}
