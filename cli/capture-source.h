// SPDX-License-Identifier: GPL-2.0-or-later
// What there is to capture of a desktop: the disk, the version below it, and the files of its
// layers.
#pragma once

#include "capture-instant.h"
#include "qcow-backing/kept-overlays.h"

typedef struct
{
  const Config *config;
  char *name;
  KeptOverlays *kept; // NULL: it runs
  Pin *pin;           // of one that runs
  char *target;
  char *image;      // that it booted, ...
  guint version;    // ... and which version
  GPtrArray *paths; // of char *: the layers, the top one first; NULL before capture_source_take
} CaptureSource;
void capture_source_clear (CaptureSource *source);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CaptureSource, capture_source_clear)

/* Find the desktop NAME: what is kept of it, else it has to run; and its disk TARGET, which may be
   NULL if it has one.  SOURCE is all zeros.  Changes nothing.  */
gboolean capture_source_find (CaptureSource *source, const Config *config, const char *name,
                              const char *target, GError **error);

/* Have its layers not change any more; INSTANT is all zeros where they are kept ones.  */
gboolean capture_source_take (CaptureSource *source, CaptureInstant *instant, GError **error);
