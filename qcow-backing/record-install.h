// SPDX-License-Identifier: GPL-2.0-or-later
// Records that another host sent: believed for their signature alone, and taken only forward.
//
// A version is installed as publishing does it: its index, its record; and the channel record that
// names it last.  A crash between them leaves the old state or the new one.
#pragma once

#include "image-library.h"

/* The record in SIGNED_TEXT, if the site's publisher signed it and it is that of IMAGE (and
 * VERSION).
 */
VersionRecord *record_install_read_version (const ImageLibrary *library, const char *image,
                                            guint version, GBytes *signed_text, GError **error);
ChannelRecord *record_install_read_channels (const ImageLibrary *library, const char *image,
                                             GBytes *signed_text, GError **error);

/* Whether the version of RECORD is on this host, record and index; a damaged index is found by who
   reads it.  */
gboolean record_install_has_version (const ImageLibrary *library, const char *image, guint version);

/* Install the version of RECORD, which SIGNED_TEXT is.  The chunks of its index have to be in the
   store: CHUNK_STORE_ERROR_MISSING says that one is not.  The caller holds the image's lock, and
   the store's against gc.  */
gboolean record_install_version (const ImageLibrary *library, const VersionRecord *record,
                                 GBytes *signed_text, GError **error);

/* Install the channel record RECORD, which SIGNED_TEXT is.  One whose serial is not higher than
   that of the record that is there is refused with G_IO_ERROR_EXISTS.  The caller holds the image's
   lock.
 */
gboolean record_install_channels (const ImageLibrary *library, const ChannelRecord *record,
                                  GBytes *signed_text, GError **error);
