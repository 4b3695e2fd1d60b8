// SPDX-License-Identifier: GPL-2.0-or-later
// Whether the desktops of this host come up, and how often they are reset or crash.
//
// A desktop is up when its guest agent has opened its channel, or, where its metadata says
// ready="TEXT", when it has said that on its serial console.
#pragma once

#include "boot-log.h"

#include <libvirt/libvirt.h>

typedef struct Boots Boots;

/* The boots of CONFIG, which must stay.  All of it is for the thread with libvirt's events.  */
Boots *boots_new (const Config *config);
void boots_free (Boots *boots);

/* Follow the desktops of CONNECTION, which is new: those that run, and those that will be started.
   Until boots_disconnect, which has to come before the connection is closed.  */
gboolean boots_connect (Boots *boots, virConnectPtr connection, GError **error);
void boots_disconnect (Boots *boots);
