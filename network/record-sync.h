// SPDX-License-Identifier: GPL-2.0-or-later
// Getting records from origins: channel records that are newer than this host's, and the versions
// that they name.
#pragma once

#include "chunk-fetcher.h"
#include "host-list.h"
#include "qcow-backing/image-library.h"
#include "site-client.h"

/* What it takes; all of it the caller's.  */
typedef struct
{
  const Config *config;
  ImageLibrary *library;
  SiteClient *client;
  ChunkFetcher *fetcher;
  HostList *list;
  const gint *cancelled;
} RecordSync;

/* If ORIGIN has a channel record of IMAGE that is newer than this host's: get it, and before it all
   versions that it names.  Waits for nobody's lock: G_IO_ERROR_WOULD_BLOCK says to try again
   later.  */
gboolean record_sync_image (const RecordSync *sync, const Host *origin, const char *image,
                            GError **error);

/* Get IMAGE@VERSION from ORIGIN, if this host has it not.  */
gboolean record_sync_version (const RecordSync *sync, const Host *origin, const char *image,
                              guint version, GError **error);

/* Ask all origins for IMAGE, or with VERSION not 0 for that one of it.  FALSE if it failed with
   every one of them; the error is that of the last.  */
gboolean record_sync_ask (const RecordSync *sync, const char *image, guint version, GError **error);
