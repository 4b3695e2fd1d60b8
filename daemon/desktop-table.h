// SPDX-License-Identifier: GPL-2.0-or-later
// The desktops that are followed, by name: what the watch's thread and the control socket share.
//
// Each has a timer in libvirt's event loop, from which alone it is looked at and anything is done
// to it.  Whatever happens only makes that timer run.
#pragma once

#include <json-glib/json-glib.h>
#include <libvirt/libvirt.h>

#include "control-server.h"
#include "qcow-backing/config.h"

typedef struct DesktopTable DesktopTable;

/* An empty one.  CONFIG must stay.  */
DesktopTable *desktop_table_new (const Config *config);
void desktop_table_free (DesktopTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DesktopTable, desktop_table_free)

/* For the thread with libvirt's event loop alone: follow DOMAIN if it is a desktop, and look at it
   at once; follow NAME no more; nobody any more; whether NAME is followed; its overlay has grown
   past the mark that libvirt was told of.  */
void desktop_table_add (DesktopTable *table, virDomainPtr domain);
void desktop_table_remove (DesktopTable *table, const char *name);
void desktop_table_clear (DesktopTable *table);
gboolean desktop_table_has (DesktopTable *table, const char *name);
void desktop_table_has_grown (DesktopTable *table, const char *name);

/* From any thread: as desktop-watch.h has them.  */
void desktop_table_poke (DesktopTable *table, const char *name);
void desktop_table_describe (DesktopTable *table, const char *name, JsonObject *pin);
void desktop_table_add_layer (DesktopTable *table, const char *name, ControlReply *reply);
