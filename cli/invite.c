// SPDX-License-Identifier: GPL-2.0-or-later
// gild invite: let another PC join the site.

#include "gild.h"

#include <gio/gio.h>
#include <gnutls/x509.h>
#include <stdio.h>

#include "daemon/control-client.h"
#include "network/admission.h"
#include "network/host-identity.h"
#include "network/join-token.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/gnutls-handles.h"

#define TIMEOUT_SECONDS 10
#define HOURS_MAX       (ADMISSION_SECONDS_MAX / 3600)

/* An address that is far away; nothing is sent to it (RFC 5737, RFC 3849).  */
#define FAR_IPV4 "192.0.2.1"
#define FAR_IPV6 "2001:db8::1"

/* The address that this host would speak from to FAR; NULL if it has no way there.  */
static char *
own_address_towards (const char *far, GSocketFamily family)
{
  g_autoptr (GSocket) socket =
      g_socket_new (family, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, NULL);
  g_autoptr (GSocketAddress) there = g_inet_socket_address_new_from_string (far, 9);

  if (!socket || !g_socket_connect (socket, there, NULL, NULL))
    return NULL;
  g_autoptr (GSocketAddress) here = g_socket_get_local_address (socket, NULL);
  return here ? g_inet_address_to_string (
             g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (here)))
              : NULL;
}

/* Where other PCs reach this one: where gildd listens, if that is one address, or else where the
   way to far away begins.  */
static char *
guess_address (const Config *config, GError **error)
{
  g_autoptr (GInetAddress) listen = g_inet_address_new_from_string (config->listen_address);

  if (listen && !g_inet_address_get_is_any (listen))
    return g_strdup (config->listen_address);
  char *address = own_address_towards (FAR_IPV4, G_SOCKET_FAMILY_IPV4);
  if (!address)
    address = own_address_towards (FAR_IPV6, G_SOCKET_FAMILY_IPV6);
  if (!address)
    fail (error, "which address other PCs reach this one at is not known: tell it with --address");
  return address;
}

/* gildd's answer to an invitation for SECONDS.  */
static JsonNode *
ask_gildd (const Verb *verb, guint seconds, GError **error)
{
  g_autofree char *socket = config_run_path (verb->config, "gildd.sock", NULL);
  g_autoptr (JsonNode) body = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "seconds", seconds);
  json_node_take_object (body, object);
  return control_call (socket, "POST", "/invitations", body, TIMEOUT_SECONDS, error);
}

static gboolean
read_fingerprint (const Config *config, guint8 fingerprint[JOIN_FINGERPRINT_SIZE], GError **error)
{
  g_autofree char *path = config_state_path (config, "site", "ca.pem", NULL);
  g_auto (gnutls_x509_crt_t) ca = certificate_load (path, error);
  gsize size = JOIN_FINGERPRINT_SIZE;

  return ca
         && (gnutls_x509_crt_get_fingerprint (ca, GNUTLS_DIG_SHA256, fingerprint, &size) >= 0
             || fail (error, "%s: it has no fingerprint", path));
}

/* The token of the invitation ANSWER to ADDRESS.  */
static char *
make_token (const Config *config, const char *address, JsonObject *answer, GError **error)
{
  JoinToken token = { (char *)address, config->port };
  const char *secret = json_object_get_string_member_with_default (answer, "secret", "");

  return read_fingerprint (config, token.fingerprint, error)
                 && join_secret_parse (secret, token.secret, error)
             ? join_token_format (&token)
             : NULL;
}

/* Whether a token with ADDRESS can be read.  */
static gboolean
check_address (const char *address, GError **error)
{
  JoinToken token = { (char *)address, 1 };
  g_autofree char *text = join_token_format (&token);
  g_autoptr (JoinToken) read = join_token_parse (text, NULL);

  return read || fail (error, "--address: '%s' is no name and no IP address", address);
}

static void
print_result (const Verb *verb, const char *token, const char *expires)
{
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "token", token);
  json_object_set_string_member (object, "expires", expires);
  if (verb->json)
    json_print_object (object);
  else
    {
      printf ("%s\n", token);
      fprintf (stderr,
               "It lets one PC in, until %s: run there, as root, `gild join` with that line.\n",
               expires);
    }
}

static ExitStatus
invite (const Verb *verb, const char *address, guint seconds)
{
  g_autofree char *guessed = NULL;
  g_autoptr (GError) error = NULL;

  if (!host_identity_ensure (verb->config, &error))
    return verb_fail (verb, error);
  if (!address)
    address = guessed = guess_address (verb->config, &error);
  g_autoptr (JsonNode) answer = address ? ask_gildd (verb, seconds, &error) : NULL;
  JsonObject *object = answer ? json_node_get_object (answer) : NULL;
  g_autofree char *token = object ? make_token (verb->config, address, object, &error) : NULL;
  if (!token)
    return verb_fail (verb, error);
  print_result (verb, token, json_object_get_string_member_with_default (object, "expires", "?"));
  return EXIT_DONE;
}

ExitStatus
verb_invite (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autofree char *address = NULL;
  int hours = 1;
  const GOptionEntry options[] = {
    { "address", 0, 0, G_OPTION_ARG_STRING, &address,
      "Where the new PC reaches this one [the address of its way to the network]", "ADDRESS" },
    { "hours", 0, 0, G_OPTION_ARG_INT, &hours, "How long the token is good [1]", "HOURS" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "",
          "Print a token that lets one PC join the site, with `gild join`. Whoever has it can: hand it over\n"
          "as you would a key. This is for a publisher, and its gildd runs.",
          0, 0, &status))
    return status;
  if (hours < 1 || hours > (int)HOURS_MAX)
    {
      fail (&error, "--hours takes a number from 1 to %u", HOURS_MAX);
      return verb_usage (&verb, error);
    }
  if (address && !check_address (address, &error))
    return verb_usage (&verb, error);
  return invite (&verb, address, (guint)hours * 3600);
}
