// SPDX-License-Identifier: GPL-2.0-or-later
// Boot profiles between hosts: what boots here have read goes to the origins, which merge it, and
// theirs come here.
#pragma once

#include "qcow-backing/boot-profile.h"
#include "qcow-backing/config.h"
#include "site-client.h"

/* Boots that were recorded here and that no origin has been told of; the newest 16 of them, and for
   as long as the process lives, as they are hints.  Safe from several threads.  */
typedef struct ProfileOutbox ProfileOutbox;
ProfileOutbox *profile_outbox_new (void);
void profile_outbox_free (ProfileOutbox *outbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ProfileOutbox, profile_outbox_free)

/* Keep BOOT, which is taken over.  */
void profile_outbox_add (ProfileOutbox *outbox, BootProfile *boot);

/* Give each boot to SEND, as BODY for a POST to PATH of an origin.  A boot that an origin refuses
   (G_IO_ERROR_INVALID_ARGUMENT, _NOT_FOUND or _PERMISSION_DENIED) is forgotten as one that it took;
   at any other error it and the ones behind it are kept for the next time.  */
typedef gboolean (*ProfileSendFunc) (const char *path, const char *body, gpointer data,
                                     GError **error);
void profile_outbox_flush (ProfileOutbox *outbox, ProfileSendFunc send, gpointer data);

/* On an origin: merge BODY, a boot that HOST has recorded, into the profile of IMAGE@VERSION.
   CONFIG is a const Config *.  Errors as of boot_profile_add_boot.  In any thread; a call of
   SiteServer.  */
gboolean profile_exchange_take (gpointer config, const char *host, const char *image, guint version,
                                JsonObject *body, GError **error);

/* On another host: have the SIZE bytes at TEXT, which are an origin's V.profile of IMAGE@VERSION,
   in place of the one that is here, if they know more.  */
gboolean profile_exchange_receive (const Config *config, const char *image, guint version,
                                   const char *text, gsize size, GError **error);

/* The same with what ORIGIN answers CLIENT within TIMEOUT_SECONDS.  Errors as of
   site_client_request too.  */
gboolean profile_exchange_get (const Config *config, SiteClient *client, const Host *origin,
                               const char *image, guint version, guint timeout_seconds,
                               GError **error);
