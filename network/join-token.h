// SPDX-License-Identifier: GPL-2.0-or-later
// The token that lets a PC join a site: gild1://ADDRESS:PORT/FINGERPRINT/SECRET.
//
// FINGERPRINT is the SHA-256 of the certificate of the site's CA, SECRET what the publisher knows
// the invitation by; both base64url (RFC 4648, 5) without padding.  An IPv6 address is in brackets.
#pragma once

#include <glib.h>

#define JOIN_FINGERPRINT_SIZE 32
#define JOIN_SECRET_SIZE      16

/* The longest token that is looked at.  */
#define JOIN_TOKEN_SIZE_MAX 400

typedef struct
{
  char *address; // a name or an IP address, without brackets
  guint port;
  guint8 fingerprint[JOIN_FINGERPRINT_SIZE];
  guint8 secret[JOIN_SECRET_SIZE];
} JoinToken;

JoinToken *join_token_parse (const char *text, GError **error);
void join_token_free (JoinToken *token); // wipes the secret
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JoinToken, join_token_free)

/* TOKEN as text, the caller's.  */
char *join_token_format (const JoinToken *token);

/* The secret alone, as requests have it.  */
gboolean join_secret_parse (const char *text, guint8 secret[JOIN_SECRET_SIZE], GError **error);
char *join_secret_format (const guint8 secret[JOIN_SECRET_SIZE]);
