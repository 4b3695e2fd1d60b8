// SPDX-License-Identifier: GPL-2.0-or-later
// Spilling: a desktop whose overlay in RAM fills up writes to an overlay on disk from then on.
//
// The overlays on disk are STATE/spill/NAME/TARGET.qcow2, over those in RAM, and go with them when
// the desktop ends.  All functions may wait for libvirt.
#pragma once

#include <libvirt/libvirt.h>

#include "qcow-backing/pins.h"

/* Make the overlays on disk of PIN's disks and have DOMAIN, running or paused, write to them.  Its
   persistent definition stays as it is.  Not for one that has spilled.  On failure it goes on as
   before.  */
gboolean spill_start (const Config *config, const Pin *pin, virDomainPtr domain, GError **error);

/* Set *IS_SPILLED to whether DOMAIN's disks have spilled.  */
gboolean spill_look (const Config *config, const Pin *pin, virDomainPtr domain,
                     gboolean *is_spilled, GError **error);

/* Put right the persistent definition of DOMAIN, if it names overlays on disk: a gildd that died
   between the two steps of spill_start leaves it so.  */
gboolean spill_restore_definition (const Config *config, virDomainPtr domain, GError **error);

/* Bytes of disk that the overlays of PIN's disks take.  */
guint64 spill_used_bytes (const Config *config, const Pin *pin);

/* Length in bytes of the overlay on disk of disk TARGET, 0 where it has none.  */
guint64 spill_length_bytes (const Config *config, const Pin *pin, const char *target);

/* Bytes that spilling may take before only the last tenth of the disk is left.  */
guint64 spill_disk_room_bytes (const Config *config);
