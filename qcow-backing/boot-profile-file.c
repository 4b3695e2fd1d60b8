// SPDX-License-Identifier: GPL-2.0-or-later
// Boot profiles on the disk: STATE/images/D/N/V.profile.
//
// Who changes one holds the store's lock, so that no gc takes the file away below him, and the
// image's directory, since a boot may come from this host and from others at once.

#include "boot-profile-file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "fail.h"
#include "file-read.h"
#include "file-write.h"

/* The profile at PATH if it is one of IMAGE@VERSION, with N_CHUNKS.  */
static BootProfile *
read_profile (const char *path, const char *image, guint version, gsize n_chunks, GError **error)
{
  gsize size;
  g_autofree char *text = file_read (path, BOOT_PROFILE_SIZE_MAX, &size, error);
  g_autoptr (BootProfile) profile = text ? boot_profile_from_json (text, size, error) : NULL;

  if (!profile)
    return NULL;
  if (!g_str_equal (profile->image, image) || profile->version != version)
    {
      fail (error, "it is the profile of %s@%u", profile->image, profile->version);
      return NULL;
    }
  if (!boot_profile_fits (profile, n_chunks))
    {
      fail (error, "it has a position behind the disk's end");
      return NULL;
    }
  return g_steal_pointer (&profile);
}

static gsize
chunks_of (const VersionRecord *record)
{
  return (record->virtual_size + CHUNK_SIZE - 1) / CHUNK_SIZE;
}

static BootProfile *
load_or_remove (const ImageLibrary *library, const VersionRecord *record)
{
  g_autofree char *path =
      image_library_version_path (library, record->image, record->version, BOOT_PROFILE_SUFFIX);
  g_autoptr (GError) error = NULL;
  BootProfile *profile =
      read_profile (path, record->image, record->version, chunks_of (record), &error);

  if (profile || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return profile;
  g_message ("the boot profile %s is removed, and the next boots make it anew: %s", path,
             error->message);
  unlink (path);
  return NULL;
}

BootProfile *
boot_profile_load (const ImageLibrary *library, const char *image, guint version)
{
  g_autoptr (VersionRecord) record = image_library_load_record (library, image, version, NULL);

  return record ? load_or_remove (library, record) : NULL;
}

static gboolean
write_profile (const ImageLibrary *library, const BootProfile *profile, GError **error)
{
  g_autofree char *path =
      image_library_version_path (library, profile->image, profile->version, BOOT_PROFILE_SUFFIX);
  g_autofree char *text = boot_profile_to_json (profile);

  return file_write_durably (path, text, strlen (text), 0640, error);
}

/* Lock the directory of IMAGE, for as long as a profile is read and written; -1 on error.  */
static int
lock_directory (const ImageLibrary *library, const char *image, GError **error)
{
  g_autofree char *path = image_library_path (library, image, NULL);
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd >= 0 && flock (fd, LOCK_EX) == 0)
    return fd;
  fail_errno (error, "lock %s", path);
  if (fd >= 0)
    close (fd);
  return -1;
}

/* What is to be on the disk when COMES, where HERE is or, if NULL, nothing; NULL: what there is.
   Takes HERE over.  */
typedef BootProfile *(*ChangeFunc) (BootProfile *here, const BootProfile *comes);

static gboolean
change_locked (const ImageLibrary *library, const BootProfile *comes, ChangeFunc change,
               guint *boots, GError **error)
{
  g_autoptr (VersionRecord) record =
      image_library_load_record (library, comes->image, comes->version, error);

  if (!record)
    return FALSE;
  if (!boot_profile_fits (comes, chunks_of (record)))
    return fail_code (error, G_IO_ERROR_INVALID_ARGUMENT,
                      "the boot profile has a position behind the end of %s@%u", comes->image,
                      comes->version);
  g_autoptr (BootProfile) here = load_or_remove (library, record);
  guint boots_here = here ? here->boots : 0;
  g_autoptr (BootProfile) changed = change (g_steal_pointer (&here), comes);
  if (boots)
    *boots = changed ? changed->boots : boots_here;
  return !changed || write_profile (library, changed, error);
}

static gboolean
change_profile (const ImageLibrary *library, const BootProfile *comes, ChangeFunc change,
                guint *boots, GError **error)
{
  ChunkStore *store = image_library_store (library);
  int store_lock = chunk_store_lock (store, CHUNK_STORE_LOCK_TRY_ADD, error);
  int lock = store_lock < 0 ? -1 : lock_directory (library, comes->image, error);
  gboolean ok = lock >= 0 && change_locked (library, comes, change, boots, error);

  if (lock >= 0)
    close (lock);
  if (store_lock >= 0)
    close (store_lock);
  return ok;
}

static BootProfile *
add_boot (BootProfile *here, const BootProfile *boot)
{
  g_autoptr (BootProfile) profile = here ? here : boot_profile_new (boot->image, boot->version);

  if (boot_profile_is_closed (profile))
    return NULL;
  boot_profile_merge (profile, boot);
  return g_steal_pointer (&profile);
}

gboolean
boot_profile_add_boot (const ImageLibrary *library, const BootProfile *boot, guint *boots,
                       GError **error)
{
  if (boot->boots != 1)
    return fail_code (error, G_IO_ERROR_INVALID_ARGUMENT,
                      "the boot profile is of %u boots, and must be of one", boot->boots);
  return change_profile (library, boot, add_boot, boots, error);
}

static BootProfile *
take_over (BootProfile *here, const BootProfile *profile)
{
  g_autoptr (BootProfile) replaced = here;

  if (replaced && replaced->boots >= profile->boots)
    return NULL;
  BootProfile *copy = boot_profile_new (profile->image, profile->version);
  copy->boots = profile->boots;
  g_array_append_vals (copy->positions, profile->positions->data, profile->positions->len);
  return copy;
}

gboolean
boot_profile_take_over (const ImageLibrary *library, const BootProfile *profile, GError **error)
{
  return change_profile (library, profile, take_over, NULL, error);
}

void
boot_profile_hand_down (const ImageLibrary *library, const char *image, guint parent, guint version,
                        const Index *index)
{
  g_autoptr (BootProfile) old = parent ? boot_profile_load (library, image, parent) : NULL;
  g_autoptr (BootProfile) profile = old ? boot_profile_inherit (old, version, index) : NULL;
  g_autofree char *path = image_library_version_path (library, image, version, BOOT_PROFILE_SUFFIX);
  g_autoptr (GError) error = NULL;

  if (!profile)
    unlink (path); // of a publish that came to nothing
  else if (!write_profile (library, profile, &error))
    g_message ("%s@%u begins without the boot profile of version %u: %s", image, version, parent,
               error->message);
}
