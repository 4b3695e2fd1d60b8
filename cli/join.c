// SPDX-License-Identifier: GPL-2.0-or-later
// gild join: enter a site with a token of its publisher.

#include "gild.h"

#include <gio/gio.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/control-answer.h"
#include "network/admission.h"
#include "network/host-certificate.h"
#include "network/join-token.h"
#include "network/joined-site.h"
#include "network/pinned-connection.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/site.h"

#define TIMEOUT_SECONDS   30
#define RECORDS_SECONDS   60
#define POLL_MICROSECONDS 200000

/* What is known while joining.  */
typedef struct
{
  const JoinToken *token;
  const char *name;  // this host's
  JsonArray *images; // that the publisher has told of, checked
} Joining;

static char *
format_request (const Joining *joining, const char *host, const char *certification_request)
{
  g_autofree char *secret = join_secret_format (joining->token->secret);
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *body = json_object_new ();

  json_object_set_string_member (body, "format", ADMISSION_REQUEST_FORMAT);
  json_object_set_string_member (body, "secret", secret);
  json_object_set_string_member (body, "name", joining->name);
  json_object_set_string_member (body, "request", certification_request);
  json_node_take_object (root, body);
  g_autofree char *text = json_to_string (root, FALSE);
  return g_strdup_printf ("POST /join HTTP/1.1\r\nHost: %s%s:%u\r\nConnection: close\r\n"
                          "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          host, HOST_DOMAIN, joining->token->port, strlen (text), text);
}

/* The publisher's answer to REQUEST.  */
static JsonNode *
exchange (PinnedConnection *connection, const char *request, GError **error)
{
  g_autoptr (GString) bytes = g_string_new (NULL);
  ControlAnswer answer = { .bytes = bytes, .body_size = -1 };
  gboolean done = FALSE;
  char buffer[16384];

  if (!pinned_connection_send (connection, request, strlen (request), error))
    return NULL;
  while (!done)
    {
      gssize count = pinned_connection_receive (connection, buffer, sizeof buffer, error);
      if (count < 0 || !control_answer_add (&answer, buffer, (gsize)count, &done, error))
        return NULL;
    }
  return control_answer_read (&answer, error);
}

/* Ask to be let in, and write the answer into DIRECTORY: a SiteFill, so that a token is used only
   where a site can be made.  */
static gboolean
fill_site (const Config *config, const char *directory, gpointer data, GError **error)
{
  Joining *joining = data;
  const JoinToken *token = joining->token;
  g_autofree char *key = NULL, *certification_request = NULL;

  if (!host_certificate_request (joining->name, &key, &certification_request, error))
    return FALSE;
  g_autoptr (PinnedConnection) connection = pinned_connection_open (
      token->address, token->port, token->fingerprint, TIMEOUT_SECONDS, error);
  if (!connection)
    return FALSE;
  const char *publisher = pinned_connection_host (connection);
  g_autofree char *request = format_request (joining, publisher, certification_request);
  g_autoptr (JsonNode) answer = exchange (connection, request, error);
  if (!answer)
    {
      g_prefix_error (error, "%s: ", publisher);
      return FALSE;
    }
  JoinedSite joined = { json_node_get_object (answer),
                        joining->name,
                        key,
                        pinned_connection_ca (connection),
                        publisher,
                        pinned_connection_address (connection),
                        token->port };
  gboolean ok = joined_site_write (config, directory, &joined, error);
  if (ok)
    joining->images =
        json_array_ref (json_object_get_array_member (json_node_get_object (answer), "images"));
  if (!ok)
    g_prefix_error (error, "%s let this host in, but its answer is wrong: ", publisher);
  gnutls_memset (key, 0, strlen (key));
  return ok;
}

static gboolean
parse_arguments (const Verb *verb, const char *name, JoinToken **token, GError **error)
{
  *token = join_token_parse (verb->argv[0], error);
  return *token && host_name_check (name, error);
}

/* Whether LIBRARY has the channel record of each of IMAGES, or a newer one.  */
static gboolean
has_records (const ImageLibrary *library, JsonArray *images)
{
  for (guint i = 0; i < json_array_get_length (images); i++)
    {
      JsonObject *entry = json_array_get_object_element (images, i);
      const char *image = json_object_get_string_member (entry, "image");
      g_autoptr (ChannelRecord) record = image_library_load_channels (library, image, NULL);
      if (!record || (gint64)record->serial < json_object_get_int_member (entry, "serial"))
        return FALSE;
    }
  return TRUE;
}

/* Wait until gildd has the records of IMAGES.  */
static gboolean
wait_for_records (const Verb *verb, JsonArray *images, GError **error)
{
  g_autoptr (ImageLibrary) library = verb_open_library (verb, error);
  gint64 deadline = g_get_monotonic_time () + RECORDS_SECONDS * G_USEC_PER_SEC;

  if (!library)
    return FALSE;
  if (isatty (STDERR_FILENO))
    fprintf (stderr, "waiting for the records of %u images\n", json_array_get_length (images));
  while (!has_records (library, images))
    {
      if (g_get_monotonic_time () > deadline)
        return fail (
            error,
            "this host has joined, but the records of the images have not come in %d s: see gildd's log",
            RECORDS_SECONDS);
      g_usleep (POLL_MICROSECONDS);
    }
  return TRUE;
}

static gboolean
print_result (const Verb *verb, const char *name, GError **error)
{
  g_autoptr (Site) site = site_load (verb->config, error);
  g_autoptr (JsonObject) object = json_object_new ();

  if (!site)
    return FALSE;
  json_object_set_string_member (object, "site", site->name);
  json_object_set_string_member (object, "host", name);
  if (verb->json)
    json_print_object (object);
  else
    printf ("this host is %s of site %s\n", name, site->name);
  return TRUE;
}

ExitStatus
verb_join (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autofree char *name = NULL;
  g_autoptr (JoinToken) token = NULL;
  const GOptionEntry options[] = {
    { "name", 0, 0, G_OPTION_ARG_STRING, &name, "Call this host NAME [its hostname]", "NAME" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "TOKEN",
          "Enter the site of the publisher on which `gild invite` printed TOKEN, start gild's services, and\n"
          "wait until this host knows the site's images. It can then boot them, and fetches what it needs.",
          1, 1, &status))
    return status;
  if (!name)
    name = host_name_default ();
  if (!parse_arguments (&verb, name, &token, &error))
    return verb_usage (&verb, error);
  Joining joining = { token, name, NULL };
  gboolean runs;
  gboolean ok = site_directory_create (verb.config, fill_site, &joining, &error)
                && print_result (&verb, name, &error) && services_start (&verb, &runs, &error)
                && (!runs || wait_for_records (&verb, joining.images, &error));
  g_clear_pointer (&joining.images, json_array_unref);
  return ok ? EXIT_DONE : verb_fail (&verb, error);
}
