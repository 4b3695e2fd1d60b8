// SPDX-License-Identifier: GPL-2.0-or-later
// How much of anything one desktop may have.
#pragma once

#include <glib.h>

#define DESKTOP_DISKS_MAX   64u
#define DESKTOP_OVERLAY_MIN (G_GUINT64_CONSTANT (1) << 20) // bytes
#define DESKTOP_SIZE_MAX    (G_GUINT64_CONSTANT (1) << 50) // bytes, of overlay and spill
