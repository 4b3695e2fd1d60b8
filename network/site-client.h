// SPDX-License-Identifier: GPL-2.0-or-later
// The client's side between hosts: HTTPS to another host of the site, and to nobody else.
#pragma once

#include <curl/curl.h>
#include <gio/gio.h>

#include "host-identity.h"
#include "host.h"

typedef struct SiteClient SiteClient;

/* Speak as the host of IDENTITY, whose files are read with each new connection.  Safe to use from
   several threads.  */
SiteClient *site_client_new (const HostIdentity *identity, GError **error);
void site_client_free (SiteClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SiteClient, site_client_free)

/* This host's name.  */
const char *site_client_name (const SiteClient *client);

/* Ready EASY, whose other options are as curl has them at first, for a request of PATH ("/store")
   to HOST: it reaches that host of this site, by TLS 1.2 or newer, or nobody, and follows no
   redirect.  The result belongs to the caller and has to outlive the request.  */
struct curl_slist *site_client_prepare (SiteClient *client, CURL *easy, const Host *host,
                                        const char *path);

/* Send METHOD PATH to HOST, with BODY (JSON, or NULL), and wait for the answer, at most
   TIMEOUT_SECONDS and MAX_SIZE bytes.  Connections are kept for the next request.  Fails with
   G_IO_ERROR: _NOT_FOUND and _PERMISSION_DENIED where the host says so, _HOST_UNREACHABLE where
   there is no connection, _TIMED_OUT where the answer does not end, and others.  */
GBytes *site_client_request (SiteClient *client, const Host *host, const char *method,
                             const char *path, const char *body, gsize max_size,
                             guint timeout_seconds, GError **error);

/* PUT the text that is in FILE to PATH of HOST; failures as above, or of the file.  */
gboolean site_client_put_file (SiteClient *client, const Host *host, const char *path,
                               const char *file, guint timeout_seconds, GError **error);
