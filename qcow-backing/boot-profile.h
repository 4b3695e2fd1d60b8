// SPDX-License-Identifier: GPL-2.0-or-later
// The boot profile of a version: which chunks its first boots have read, in that order.
//
//   { "format": "gild-profile-1", "image": "accounting/desktop", "version": 7, "boots": 2,
//     "positions": [0, 1, 40960, …] }
//
// A position is a chunk's place on the disk, counted from 0; each is named once.  The first boot
// gives the order, what further ones have read besides comes behind it, and after three the profile
// is closed.  A profile with 0 boots is the one of the version's parent, as far as the new version
// has those chunks at all: the first boot takes its place.
//
// It is a hint that nobody signs: what to fetch before it is asked for.  It says nothing of what
// the chunks are, which the index does, so a wrong one costs time and never bytes.
#pragma once

#include <json-glib/json-glib.h>

#include "index.h"

#define BOOT_PROFILE_POSITIONS_MAX 65536u
#define BOOT_PROFILE_BOOTS_MAX     3u         // with so many it is closed
#define BOOT_PROFILE_SIZE_MAX      (1u << 20) // bytes of JSON

typedef struct
{
  char *image;
  guint version;
  guint boots;
  GArray *positions; // of guint32: 1 to BOOT_PROFILE_POSITIONS_MAX distinct ones
} BootProfile;

/* One without boots and positions.  */
BootProfile *boot_profile_new (const char *image, guint version);
void boot_profile_free (BootProfile *profile);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BootProfile, boot_profile_free)

/* PROFILE in one line of JSON, at most BOOT_PROFILE_SIZE_MAX bytes; it has positions.  */
char *boot_profile_to_json (const BootProfile *profile);
JsonObject *boot_profile_to_object (const BootProfile *profile);

/* Every member is checked, but for whether the version has a chunk at each position: see
   boot_profile_fits.  */
BootProfile *boot_profile_from_json (const char *text, gsize size, GError **error);
BootProfile *boot_profile_from_object (JsonObject *object, GError **error);

/* Whether all positions are below N_CHUNKS, how many a disk has.  */
gboolean boot_profile_fits (const BootProfile *profile, gsize n_chunks);

/* Whether further boots change nothing.  */
gboolean boot_profile_is_closed (const BootProfile *profile);

/* Add to PROFILE what one more BOOT has read, which is of the same version, as said above.  */
void boot_profile_merge (BootProfile *profile, const BootProfile *boot);

/* The profile with which VERSION, whose chunks are INDEX, begins as a child of PARENT's version;
   NULL where nothing of it remains.  */
BootProfile *boot_profile_inherit (const BootProfile *parent, guint version, const Index *index);
