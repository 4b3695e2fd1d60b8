// SPDX-License-Identifier: GPL-2.0-or-later
// Spilling: a desktop whose overlay in RAM fills up writes to an overlay on disk from then on.
//
// The overlays on disk (spill-directory.h) lie over those in RAM, and go with them when the desktop
// ends.  All functions may wait for libvirt.
#pragma once

#include <libvirt/libvirt.h>

#include "qcow-backing/pins.h"

/* Make a further layer on disk for each of PIN's disks, which have LAYERS of them now, and have
   DOMAIN, running or paused, write to that: all disks at the same instant.  Its persistent
   definition stays as it is.  On failure it goes on as before.  */
gboolean spill_add_layer (const Config *config, const Pin *pin, virDomainPtr domain, guint layers,
                          GError **error);

/* Set *LAYERS to how many layers on disk DOMAIN's disks have; 0: it has not spilled.  */
gboolean spill_look (const Config *config, const Pin *pin, virDomainPtr domain, guint *layers,
                     GError **error);

/* Put right the persistent definition of DOMAIN, if it names overlays on disk: a gildd that died
   between the two steps of spill_add_layer leaves it so.  */
gboolean spill_restore_definition (const Config *config, virDomainPtr domain, GError **error);

/* Bytes of disk that the overlays of PIN's disks take.  */
guint64 spill_used_bytes (const Config *config, const Pin *pin);

/* Length in bytes of the layer of disk TARGET that is written to, 0 where it has none.  */
guint64 spill_length_bytes (const Config *config, const Pin *pin, const char *target);

/* Bytes that spilling may take before only the last tenth of the disk is left.  */
guint64 spill_disk_room_bytes (const Config *config);
