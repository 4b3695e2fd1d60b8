// SPDX-License-Identifier: GPL-2.0-or-later
// The client's side between hosts: HTTPS to another host of the site, and to nobody else.
//
// The URL has the host's name as its certificate has it, and curl is told to connect to the host's
// address: so curl itself checks that who answers is that host, and is of this site.  Handles with
// their connections are kept and taken again, the last one first.

#include "site-client.h"

#include <string.h>
#include <unistd.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/json-read.h"

#define CONNECT_TIMEOUT_MSEC 3000L
#define PUT_ANSWER_SIZE_MAX  1024
#define HANDLES_MAX          8u
#define ERROR_SENTENCE_MAX   1000u

struct SiteClient
{
  char *name, *certificate_path, *key_path, *ca_path, *crl_path;
  GMutex lock;        // guards what follows
  GPtrArray *handles; // of CURL *, that nobody uses
};

/* An answer on its way.  */
typedef struct
{
  GByteArray *body;
  gsize max_size;
  gboolean is_too_large;
} Answer;

static gboolean
init_curl (GError **error)
{
  static gsize is_ready;

  if (g_once_init_enter (&is_ready))
    g_once_init_leave (&is_ready, curl_global_init (CURL_GLOBAL_DEFAULT) == CURLE_OK ? 1 : 2);
  return is_ready == 1 || fail (error, "libcurl cannot be used");
}

SiteClient *
site_client_new (const HostIdentity *identity, GError **error)
{
  if (!init_curl (error))
    return NULL;
  SiteClient *client = g_new0 (SiteClient, 1);
  client->name = g_strdup (identity->name);
  client->certificate_path = g_strdup (identity->certificate_path);
  client->key_path = g_strdup (identity->key_path);
  client->ca_path = g_strdup (identity->ca_path);
  client->crl_path = g_strdup (identity->crl_path);
  g_mutex_init (&client->lock);
  client->handles = g_ptr_array_new_with_free_func (curl_easy_cleanup);
  return client;
}

void
site_client_free (SiteClient *client)
{
  if (!client)
    return;
  g_ptr_array_unref (client->handles);
  g_mutex_clear (&client->lock);
  g_free (client->name);
  g_free (client->certificate_path);
  g_free (client->key_path);
  g_free (client->ca_path);
  g_free (client->crl_path);
  g_free (client);
}

const char *
site_client_name (const SiteClient *client)
{
  return client->name;
}

struct curl_slist *
site_client_prepare (SiteClient *client, CURL *easy, const Host *host, const char *path)
{
  g_autofree char *url =
      g_strdup_printf ("https://%s" HOST_DOMAIN ":%u%s", host->name, host->port, path);
  g_autofree char *connect_to = g_strdup_printf (
      strchr (host->address, ':') ? "::[%s]:%u" : "::%s:%u", host->address, host->port);
  struct curl_slist *list = curl_slist_append (NULL, connect_to);

  curl_easy_setopt (easy, CURLOPT_URL, url);
  curl_easy_setopt (easy, CURLOPT_CONNECT_TO, list);
  curl_easy_setopt (easy, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt (easy, CURLOPT_PROXY, "");
  curl_easy_setopt (easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt (easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt (easy, CURLOPT_CAINFO, client->ca_path);
  curl_easy_setopt (easy, CURLOPT_CAPATH, NULL); // else the system's CAs count as well
  curl_easy_setopt (easy, CURLOPT_SSLCERT, client->certificate_path);
  curl_easy_setopt (easy, CURLOPT_SSLKEY, client->key_path);
  if (access (client->crl_path, F_OK) == 0)
    curl_easy_setopt (easy, CURLOPT_CRLFILE, client->crl_path);
  curl_easy_setopt (easy, CURLOPT_NOSIGNAL, 1L);
  return list;
}

static gsize
take_answer (char *bytes, gsize size, gsize count, void *data)
{
  Answer *answer = data;

  answer->is_too_large = size * count > answer->max_size - answer->body->len;
  if (answer->is_too_large)
    return 0;
  g_byte_array_append (answer->body, (const guint8 *)bytes, (guint)(size * count));
  return size * count;
}

static CURL *
take_handle (SiteClient *client)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&client->lock);
  guint n = client->handles->len;

  return n > 0 ? g_ptr_array_steal_index (client->handles, n - 1) : curl_easy_init ();
}

static void
give_handle (SiteClient *client, CURL *easy)
{
  curl_easy_reset (easy); // keeps its connections
  g_mutex_lock (&client->lock);
  gboolean is_kept = client->handles->len < HANDLES_MAX;
  if (is_kept)
    g_ptr_array_add (client->handles, easy);
  g_mutex_unlock (&client->lock);
  if (!is_kept)
    curl_easy_cleanup (easy);
}

static gboolean
fail_transfer (CURL *easy, CURLcode code, const char *detail, const Host *host, GError **error)
{
  const char *cause = *detail ? detail : curl_easy_strerror (code);
  curl_off_t connected = 0;
  GIOErrorEnum io_code = G_IO_ERROR_FAILED;

  curl_easy_getinfo (easy, CURLINFO_CONNECT_TIME_T, &connected);
  if (code == CURLE_COULDNT_CONNECT || (code == CURLE_OPERATION_TIMEDOUT && connected == 0))
    io_code = G_IO_ERROR_HOST_UNREACHABLE;
  else if (code == CURLE_OPERATION_TIMEDOUT)
    io_code = G_IO_ERROR_TIMED_OUT;
  return fail_code (error, io_code, "host %s (%s): %s", host->name, host->address, cause);
}

/* The sentence of an answer that is a refusal; NULL if it has none.  */
static char *
read_sentence (const GByteArray *body)
{
  g_autoptr (JsonNode) node = json_read_object ((const char *)body->data, body->len, NULL, NULL);

  return node ? g_strdup (
             json_read_string (json_node_get_object (node), "error", ERROR_SENTENCE_MAX, NULL))
              : NULL;
}

static gboolean
check_status (CURL *easy, const Host *host, const GByteArray *body, GError **error)
{
  long status = 0;

  curl_easy_getinfo (easy, CURLINFO_RESPONSE_CODE, &status);
  if (status == 200)
    return TRUE;
  GIOErrorEnum code = status == 404   ? G_IO_ERROR_NOT_FOUND
                      : status == 403 ? G_IO_ERROR_PERMISSION_DENIED
                                      : G_IO_ERROR_FAILED;
  g_autofree char *sentence = read_sentence (body);
  return sentence ? fail_code (error, code, "host %s: %s", host->name, sentence)
                  : fail_code (error, code, "host %s answers with status %ld", host->name, status);
}

static gboolean
perform (CURL *easy, const Host *host, Answer *answer, GError **error)
{
  char detail[CURL_ERROR_SIZE] = "";

  curl_easy_setopt (easy, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt (easy, CURLOPT_WRITEFUNCTION, take_answer);
  curl_easy_setopt (easy, CURLOPT_WRITEDATA, answer);
  CURLcode code = curl_easy_perform (easy);
  curl_easy_setopt (easy, CURLOPT_ERRORBUFFER, NULL);
  if (answer->is_too_large)
    return fail (error, "host %s: its answer is larger than %zu bytes", host->name,
                 answer->max_size);
  if (code != CURLE_OK)
    return fail_transfer (easy, code, detail, host, error);
  return check_status (easy, host, answer->body, error);
}

GBytes *
site_client_request (SiteClient *client, const Host *host, const char *method, const char *path,
                     const char *body, gsize max_size, guint timeout_seconds, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  Answer answer = { .body = bytes, .max_size = max_size };
  CURL *easy = take_handle (client);
  struct curl_slist *list = site_client_prepare (client, easy, host, path);
  struct curl_slist *head = curl_slist_append (NULL, "Content-Type: application/json");

  if (body)
    {
      curl_easy_setopt (easy, CURLOPT_POSTFIELDSIZE, (long)strlen (body));
      curl_easy_setopt (easy, CURLOPT_POSTFIELDS, body);
      curl_easy_setopt (easy, CURLOPT_HTTPHEADER, head);
    }
  curl_easy_setopt (easy, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt (easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MSEC);
  curl_easy_setopt (easy, CURLOPT_TIMEOUT, (long)timeout_seconds);
  gboolean ok = perform (easy, host, &answer, error);
  give_handle (client, easy);
  curl_slist_free_all (list);
  curl_slist_free_all (head);
  return ok ? g_byte_array_free_to_bytes (g_steal_pointer (&bytes)) : NULL;
}

gboolean
site_client_put_file (SiteClient *client, const Host *host, const char *path, const char *file,
                      guint timeout_seconds, GError **error)
{
  g_autofree char *text = NULL;

  if (!g_file_get_contents (file, &text, NULL, error))
    return FALSE;
  g_autoptr (GBytes) answer = site_client_request (client, host, "PUT", path, text,
                                                   PUT_ANSWER_SIZE_MAX, timeout_seconds, error);
  return answer != NULL;
}
