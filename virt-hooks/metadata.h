// SPDX-License-Identifier: GPL-2.0-or-later
// gild's metadata in a libvirt domain's XML: which images the domain's disks are.
//
//   <metadata>
//     <gild:desktop xmlns:gild="urn:gild:desktop:1" overlay="2GiB" spill="20GiB"
//                    ready="login:">
//       <gild:disk target="vda" image="accounting/desktop" channel="production"/>
//       <gild:disk target="vdb" image="accounting/erp" version="5"/>
//     </gild:desktop>
//   </metadata>
//
// Format: https://libvirt.org/formatdomain.html for all around it.
#pragma once

#include <glib.h>
#include <libxml/tree.h>

#include "qcow-backing/desktop-limits.h"

#define METADATA_NAMESPACE "urn:gild:desktop:1"

typedef struct
{
  char *target;  // "vda"
  char *image;   // "DEPARTMENT/NAME"
  char *channel; // NULL where a version is given
  guint version; // 0: the one that the channel names
} MetadataDisk;
void metadata_disk_free (gpointer disk);

typedef struct
{
  char *name;            // of the domain, so of the desktop
  char *uuid;            // of the domain, 36 characters
  guint64 overlay_bytes; // 0: not given
  guint64 spill_bytes;
  gboolean has_spill; // FALSE: not given
  char *ready;        // what it says on its console when it is up; NULL: not given
  GPtrArray *disks;   // of MetadataDisk *, in their order, 1 to DESKTOP_DISKS_MAX
} Metadata;

/* Whether SIZE bytes at XML may be a desktop's: a quick look that parses
   nothing.  FALSE is certain.  */
gboolean metadata_is_mentioned (const char *xml, gsize size);

/* Read the desktop in SIZE bytes of domain XML, and check all that makes it boot what its metadata
   says: the metadata itself, and that each disk that it names is
   RUN_DIR/desktops/NAME/TARGET.qcow2, attached such that the guest sees neither a wrong or empty
   disk nor an error of it.  NULL without an error where the domain carries no metadata of gild, so
   is none of its business.  An error is a sentence with the remedy.  */
Metadata *metadata_parse (const char *xml, gsize size, const char *run_dir, GError **error);
void metadata_free (Metadata *metadata);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Metadata, metadata_free)

/* The one <gild:desktop> of DOMAIN, the root of a domain's XML.  NULL without an error where there
   is none; with one where there are two, or one that this gild does not know.  */
xmlNode *metadata_find_element (const xmlNode *domain, GError **error);

/* The disk of METADATA that has TARGET, or NULL.  */
const MetadataDisk *metadata_find_disk (const Metadata *metadata, const char *target);
