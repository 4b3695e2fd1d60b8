// SPDX-License-Identifier: GPL-2.0-or-later
// Templates: a domain's XML with gild's metadata, from which any number of desktops are made.
//
// A template may be one of the installed ones, a file of the administrator's, or what `virsh
// dumpxml` says of a desktop, also of a running one.
#pragma once

#include <glib.h>

typedef struct
{
  const char *name;      // of the desktop
  const char *site_uuid; // 36 characters
  const char *image;     // of the first disk, in place of the template's; NULL: the template's
  const char *virt_type; // "kvm" or "qemu"
  const char *run_dir;   // as configured
  guint version;         // of that image; 0: the one that the template, or a channel of it, names
} TemplateValues;

/* The domain's XML of the desktop that VALUES make of SIZE bytes of template at XML; owned by the
   caller.  The same values give the same bytes, UUID and MAC addresses included.  What belongs to
   the domain that the template was, and not to every desktop, is left out.  The result passes
   metadata_parse; an error is a sentence with the remedy.  */
char *template_render (const char *xml, gsize size, const TemplateValues *values, GError **error);

/* Where templates are looked for by name, the first place first, ending with NULL.  */
extern const char *const TEMPLATE_DIRECTORIES[];

/* Read the template that TEMPLATE says: a file, if it holds a '/' or ends in ".xml", or NAME.xml in
   one of DIRECTORIES.  The text is owned by the caller.  An error lists the templates that there
   are.  */
char *template_load (const char *template, const char *const *directories, gsize *size,
                     GError **error);
