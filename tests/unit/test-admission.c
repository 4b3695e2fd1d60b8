// SPDX-License-Identifier: GPL-2.0-or-later
// Who belongs to a site: tokens, certificates, invitations that work once, and hosts that are
// removed.
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "network/admission.h"
#include "network/host-identity.h"
#include "network/join-token.h"
#include "network/revocation.h"
#include "qcow-backing/gnutls-handles.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/privilege.h"
#include "qcow-backing/site.h"
#include "tests/unit/remove-tree.h"

#define HOUR 3600

/* A publisher, called pc1.  */
typedef struct
{
  char *directory, *site;
  char *crl_path, *ca_path;
  Config *config;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) error = NULL;

  f->directory = g_dir_make_tmp ("gild-admission-XXXXXX", NULL);
  g_autofree char *state = g_build_filename (f->directory, "state", NULL);
  g_key_file_set_value (file, "paths", "state", state);
  f->config = config_from_key_file (file, "test", NULL);
  site_init (f->config, "test", host_identity_make, (gpointer) "pc1", &error);
  g_assert_no_error (error);
  f->site = config_state_path (f->config, "site", NULL);
  f->crl_path = g_build_filename (f->site, "crl.pem", NULL);
  f->ca_path = g_build_filename (f->site, "ca.pem", NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  remove_tree (f->directory);
  config_free (f->config);
  g_free (f->directory);
  g_free (f->site);
  g_free (f->crl_path);
  g_free (f->ca_path);
}

static void
assert_error_says (GError **error, int code, const char *words)
{
  g_assert_error (*error, G_IO_ERROR, code);
  if (!strstr ((*error)->message, words))
    g_error ("\"%s\" does not say \"%s\"", (*error)->message, words);
  g_clear_error (error);
}

static void
test_bad_tokens (void)
{
  static const char F[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                    S[] = "AAAAAAAAAAAAAAAAAAAAAA";
  static const char *const PLACES[] = {
    "",           "pc1",        "pc1:",        "pc1:0",       "pc1:65536", "pc1:+1", ":10890",
    "-pc1:10890", "p c:1",      "pc_1:10890",  "a@b:10890",   "[]:10890",  "[::1]",  "[::1]10890",
    "::1:10890",  "[::1:10890", "[x]y]:10890", "[p c]:10890", "pc1:1:1",
  };
  static const struct
  {
    const char *fingerprint, *secret;
  } PARTS[] = {
    { "", "" },
    { F, "" },
    { F, "AAAAAAAAAAAAAAAAAAAAA" },
    { F, "AAAAAAAAAAAAAAAAAAAAAAA" },
    { F, "AAAAAAAAAAAAAAAAAAAAAA==" },
    { F, "AAAAAAAAAAAAAAAAAAAAAB" }, // bits that nobody writes
    { F, "AAAAAAAAAAAAAAAAAAAA+A" },
    { F, "AAAAAAAAAAAAAAAAAAAA A" },
    { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", S },
    { F, "AAAAAAAAAAAAAAAAAAAAAA/x" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (PLACES); i++)
    {
      g_autofree char *text = g_strdup_printf ("gild1://%s/%s/%s", PLACES[i], F, S);
      g_autoptr (GError) error = NULL;
      g_assert_null (join_token_parse (text, &error));
      assert_error_says (&error, G_IO_ERROR_INVALID_ARGUMENT, "not a token");
    }
  for (gsize i = 0; i < G_N_ELEMENTS (PARTS); i++)
    {
      g_autofree char *text =
          g_strdup_printf ("gild1://pc1:10890/%s/%s", PARTS[i].fingerprint, PARTS[i].secret);
      g_assert_null (join_token_parse (text, NULL));
    }
  g_assert_null (join_token_parse ("", NULL));
  g_assert_null (join_token_parse ("gild2://pc1:10890/", NULL));
  g_autofree char *long_name = g_strnfill (500, 'a');
  g_autofree char *long_text = g_strdup_printf ("gild1://%s:1/%s/%s", long_name, F, S);
  g_assert_null (join_token_parse (long_text, NULL));
}

static void
test_tokens (void)
{
  static const char *const ADDRESSES[] = { "192.0.2.7", "pc1.example.org", "2001:db8::7",
                                           "fe80::1%eth0" };

  for (gsize i = 0; i < G_N_ELEMENTS (ADDRESSES); i++)
    {
      JoinToken token = { (char *)ADDRESSES[i], 10890, "fingerprint \xff\xfe\xfb",
                          "secret \xff\xfb" };
      g_autofree char *text = join_token_format (&token);
      g_autoptr (GError) error = NULL;
      g_autoptr (JoinToken) read = join_token_parse (text, &error);
      g_assert_no_error (error);
      g_assert_cmpstr (read->address, ==, token.address);
      g_assert_cmpuint (read->port, ==, token.port);
      g_assert_cmpmem (read->fingerprint, 32, token.fingerprint, 32);
      g_assert_cmpmem (read->secret, 16, token.secret, 16);
    }
}

static void
test_host_names (void)
{
  static const char *const BAD[] = {
    "",    "-a", "A",   "a.b", "a_b",
    "a b", "ä",  "a/b", "..",  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  };
  static const char *const GOOD[] = {
    "a", "7", "pc-1", "a-", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  };
  g_autofree char *own = host_name_default ();

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    g_assert_false (host_name_check (BAD[i], NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (GOOD); i++)
    g_assert_true (host_name_check (GOOD[i], NULL));
  g_assert_true (host_name_check (own, NULL));
}

/* A body of POST /join, with KEY for what the host keeps.  */
static JsonObject *
make_body (const char *secret, const char *name, char **key)
{
  g_autofree char *request = NULL, *own_key = NULL;
  JsonObject *body = json_object_new ();

  g_assert_true (host_certificate_request (name, key ? key : &own_key, &request, NULL));
  json_object_set_string_member (body, "format", ADMISSION_REQUEST_FORMAT);
  json_object_set_string_member (body, "secret", secret);
  json_object_set_string_member (body, "name", name);
  json_object_set_string_member (body, "request", request);
  return body;
}

static char *
invite (Fixture *f, guint seconds)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) answer = admission_invite (f->config, seconds, &error);

  g_assert_no_error (error);
  return g_strdup (json_object_get_string_member (answer, "secret"));
}

static JsonObject *
join (Fixture *f, const char *secret, const char *name, GError **error)
{
  g_autoptr (JsonObject) body = make_body (secret, name, NULL);

  return admission_join (f->config, "192.0.2.7", body, error);
}

/* The certificate that host NAME got.  */
static gnutls_x509_crt_t
join_well (Fixture *f, const char *name)
{
  g_autofree char *secret = invite (f, HOUR);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) answer = join (f, secret, name, &error);

  g_assert_no_error (error);
  const char *pem = json_object_get_string_member (answer, "certificate");
  return certificate_parse (pem, strlen (pem), NULL);
}

static void
test_bad_requests (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *member, *value, *words;
  } SPOILED[] = {
    { "format", "gild-join-2", "gild-join-2" },
    { "secret", "xyz", "secret" },
    { "name", "PC 7", "name" },
    { "name", "../x", "name" },
  };
  g_autofree char *secret = invite (f, HOUR);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (SPOILED); i++)
    {
      g_autoptr (JsonObject) body = make_body (secret, "pc7", NULL);
      json_object_set_string_member (body, SPOILED[i].member, SPOILED[i].value);
      g_assert_null (admission_join (f->config, "", body, &error));
      assert_error_says (&error, G_IO_ERROR_INVALID_ARGUMENT, SPOILED[i].words);
      json_object_remove_member (body, SPOILED[i].member);
      g_assert_null (admission_join (f->config, "", body, &error));
      assert_error_says (&error, G_IO_ERROR_INVALID_ARGUMENT, SPOILED[i].member);
    }
  g_assert_null (admission_join (f->config, "", NULL, &error));
  assert_error_says (&error, G_IO_ERROR_INVALID_ARGUMENT, "no body");
  // None of them has used the invitation up.
  g_autoptr (JsonObject) answer = join (f, secret, "pc7", &error);
  g_assert_no_error (error);
}

/* A request for a key that is not of P-256.  */
static char *
make_large_request (void)
{
  g_auto (gnutls_x509_privkey_t) key = NULL;
  g_auto (gnutls_x509_crq_t) request = NULL;
  g_auto (gnutls_datum_t) pem = { 0 };

  g_assert_cmpint (gnutls_x509_privkey_init (&key), >=, 0);
  g_assert_cmpint (gnutls_x509_crq_init (&request), >=, 0);
  g_assert_cmpint (gnutls_x509_privkey_generate (
                       key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP384R1), 0),
                   >=, 0);
  g_assert_cmpint (gnutls_x509_crq_set_key (request, key), >=, 0);
  g_assert_cmpint (gnutls_x509_crq_sign2 (request, key, GNUTLS_DIG_SHA384, 0), >=, 0);
  g_assert_cmpint (gnutls_x509_crq_export2 (request, GNUTLS_X509_FMT_PEM, &pem), >=, 0);
  return g_strndup ((const char *)pem.data, pem.size);
}

/* A request that its own key has not signed, or that is for another kind of key.  */
static void
test_bad_certification_requests (Fixture *f, gconstpointer data)
{
  g_autofree char *secret = invite (f, HOUR);
  g_autoptr (JsonObject) body = make_body (secret, "pc7", NULL);
  g_autoptr (GError) error = NULL;
  char *request = g_strdup (json_object_get_string_member (body, "request"));
  gsize middle = strlen (request) / 2;
  guint refused = 0;

  for (gsize i = middle; i < strlen (request) - 40; i++)
    {
      g_autofree char *spoiled = g_strdup (request);
      spoiled[i] = spoiled[i] == 'A' ? 'B' : 'A';
      json_object_set_string_member (body, "request", spoiled);
      g_autoptr (JsonObject) answer =
          spoiled[i] == request[i] || request[i] == '\n' || request[i] == '='
              ? NULL
              : admission_join (f->config, "", body, NULL);
      g_assert_null (answer);
      refused++;
    }
  g_assert_cmpuint (refused, >, 50);
  g_autofree char *large = make_large_request ();
  json_object_set_string_member (body, "request", large);
  g_assert_null (admission_join (f->config, "", body, &error));
  assert_error_says (&error, G_IO_ERROR_FAILED, "of 256 bits");
  g_free (request);
}

static void
test_tokens_work_once (Fixture *f, gconstpointer data)
{
  g_autofree char *secret = invite (f, HOUR);
  g_autofree char *expired = invite (f, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) answer = join (f, secret, "pc2", &error);

  g_assert_no_error (error);
  g_assert_null (join (f, secret, "pc3", &error));
  assert_error_says (&error, G_IO_ERROR_PERMISSION_DENIED, "used already");
  g_assert_null (join (f, expired, "pc3", &error));
  assert_error_says (&error, G_IO_ERROR_PERMISSION_DENIED, "has expired");
  g_assert_null (join (f, "AAAAAAAAAAAAAAAAAAAAAA", "pc3", &error));
  assert_error_says (&error, G_IO_ERROR_PERMISSION_DENIED, "does not know");
}

/* Two hosts come at once with the same token: one gets in.  */
static gpointer
race (gpointer data)
{
  gpointer *arguments = data;
  g_autoptr (JsonObject) answer = join (arguments[0], arguments[1], arguments[2], NULL);

  return GINT_TO_POINTER (answer != NULL);
}

static void
test_race (Fixture *f, gconstpointer data)
{
  g_autofree char *secret = invite (f, HOUR);
  gpointer arguments[4][3];
  GThread *threads[4];
  int joined = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      arguments[i][0] = f;
      arguments[i][1] = secret;
      arguments[i][2] = g_strdup_printf ("pc%" G_GSIZE_FORMAT, 10 + i);
      threads[i] = g_thread_new ("join", race, arguments[i]);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      joined += GPOINTER_TO_INT (g_thread_join (threads[i]));
      g_free (arguments[i][2]);
    }
  g_assert_cmpint (joined, ==, 1);
}

static void
test_name_taken (Fixture *f, gconstpointer data)
{
  g_auto (gnutls_x509_crt_t) first = join_well (f, "pc2");
  g_autofree char *secret = invite (f, HOUR);
  g_autoptr (GError) error = NULL;

  g_assert_null (join (f, secret, "pc2", &error));
  assert_error_says (&error, G_IO_ERROR_EXISTS, "gild hosts remove pc2");
  g_assert_null (join (f, secret, "pc1", &error)); // the publisher's own
  assert_error_says (&error, G_IO_ERROR_EXISTS, "pc1");
  g_autoptr (JsonObject) answer = join (f, secret, "pc3", &error);
  g_assert_no_error (error);
  g_assert_true (admission_remove (f->config, "pc2", &error));
  g_auto (gnutls_x509_crt_t) again = join_well (f, "pc2");
  g_assert_nonnull (again);
}

static void
test_joined (Fixture *f, gconstpointer data)
{
  static const char HOSTS[] =
      "{\"format\":\"gild-hosts-1\",\"hosts\":[{\"name\":\"pc9\",\"address\":\"192.0.2.9\",\"port\":10890,"
      "\"origin\":true,\"publisher\":false,\"seen\":4,\"versions\":[]}]}";
  g_autofree char *hosts_path = g_build_filename (f->site, "hosts.json", NULL);
  g_autofree char *secret = invite (f, HOUR);
  g_autofree char *key = NULL, *other_key = NULL, *request = NULL;
  g_autoptr (JsonObject) body = make_body (secret, "pc2", &key);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (hosts_path, HOSTS, -1, NULL));
  g_autoptr (JsonObject) answer = admission_join (f->config, "192.0.2.7", body, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (json_object_get_string_member (answer, "format"), ==, "gild-joined-1");
  g_assert_true (json_object_get_null_member (answer, "crl"));
  g_autoptr (Site) site = site_from_json (json_object_get_object_member (answer, "site"), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (site->name, ==, "test");
  JsonArray *hosts = json_object_get_array_member (answer, "hosts");
  g_assert_cmpstr (json_object_get_string_member (json_array_get_object_element (hosts, 0), "name"),
                   ==, "pc9");

  const char *pem = json_object_get_string_member (answer, "certificate");
  const char *site_key = json_object_get_string_member (answer, "public_key");
  g_auto (gnutls_x509_crt_t) certificate = certificate_parse (pem, strlen (pem), NULL);
  g_auto (gnutls_x509_crt_t) ca = certificate_load (f->ca_path, NULL);
  g_autofree char *name = host_certificate_name (certificate, NULL);
  g_assert_cmpstr (name, ==, "pc2");
  g_assert_true (host_certificate_verify (certificate, ca, &error));
  g_assert_true (host_certificate_has_key (certificate, key));
  g_assert_true (host_certificate_request ("pc2", &other_key, &request, NULL));
  g_assert_false (host_certificate_has_key (certificate, other_key));
  g_assert_true (host_certificate_names_site_key (certificate, site_key));
  g_assert_false (host_certificate_names_site_key (certificate, "another"));
  g_assert_false (host_certificate_names_site_key (ca, site_key));
  g_assert_null (host_certificate_name (ca, NULL));
  g_assert_true (gnutls_x509_crt_check_hostname (certificate, "pc2.gild.internal"));
  g_assert_false (gnutls_x509_crt_check_hostname (certificate, "pc1.gild.internal"));
}

/* Clocks are off by a day, or by a month less a day: what the CA has signed counts all the same. */
static void
test_clocks (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (gnutls_x509_crt_t) certificate = join_well (f, "pc2");
  g_auto (gnutls_x509_crt_t) ca = certificate_load (f->ca_path, NULL);
  gint64 early = time (NULL) - 29 * 24 * HOUR, late = time (NULL) + 9LL * 365 * 24 * HOUR;

  g_assert_cmpint (gnutls_x509_crt_get_activation_time (certificate), <, early);
  g_assert_cmpint (gnutls_x509_crt_get_activation_time (ca), <, early);
  g_assert_cmpint (gnutls_x509_crt_get_expiration_time (certificate), >, late);
  g_assert_false (host_certificate_fail (GNUTLS_CERT_INVALID | GNUTLS_CERT_NOT_ACTIVATED, &error));
  assert_error_says (&error, G_IO_ERROR_PERMISSION_DENIED, "clock");
}

static gboolean
belongs (RevocationCheck *check, gnutls_x509_crt_t certificate, GError **error)
{
  g_autofree char *name = NULL;

  return revocation_check_certificate (check, certificate, GNUTLS_KP_TLS_WWW_CLIENT, &name, error);
}

static void
test_removal (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (gnutls_x509_crt_t) certificate = join_well (f, "pc2");
  g_auto (gnutls_x509_crt_t) other = join_well (f, "pc3");
  g_autoptr (RevocationCheck) check = revocation_check_new (f->ca_path, f->crl_path, &error);
  guint64 number;

  g_assert_true (belongs (check, certificate, &error));
  g_assert_false (admission_remove (f->config, "pc1", &error));
  assert_error_says (&error, G_IO_ERROR_INVALID_ARGUMENT, "this host");
  g_assert_false (admission_remove (f->config, "nobody", &error));
  assert_error_says (&error, G_IO_ERROR_NOT_FOUND, "nobody");
  g_assert_false (admission_remove (f->config, "../site", &error));
  assert_error_says (&error, G_IO_ERROR_INVALID_ARGUMENT, "name");
  g_assert_true (admission_remove (f->config, "pc2", &error));
  g_assert_false (belongs (check, certificate, &error));
  assert_error_says (&error, G_IO_ERROR_PERMISSION_DENIED, "removed");
  g_assert_true (belongs (check, other, &error));
  g_assert_true (revocation_number (f->crl_path, &number, &error));
  g_assert_cmpuint (number, ==, 1);
  g_assert_true (admission_remove (f->config, "pc3", &error));
  g_assert_false (belongs (check, certificate, NULL));
  g_assert_false (belongs (check, other, NULL));
  g_assert_true (revocation_number (f->crl_path, &number, &error));
  g_assert_cmpuint (number, ==, 2);
}

/* A certificate of another site, of the CA itself.  */
static void
test_strangers (Fixture *f, gconstpointer data)
{
  Fixture other;
  g_autoptr (GError) error = NULL;
  g_autoptr (RevocationCheck) check = revocation_check_new (f->ca_path, f->crl_path, &error);

  set_up (&other, NULL); // of the same name, too
  g_auto (gnutls_x509_crt_t) stranger = join_well (&other, "pc2");
  g_auto (gnutls_x509_crt_t) ca = certificate_load (f->ca_path, NULL);
  g_assert_false (belongs (check, stranger, &error));
  assert_error_says (&error, G_IO_ERROR_PERMISSION_DENIED, "not of this site");
  g_assert_false (belongs (check, ca, NULL));
  g_assert_true (admission_remove (other.config, "pc2", NULL));
  g_autofree char *list = NULL;
  gsize size;
  gboolean taken;
  g_assert_true (g_file_get_contents (other.crl_path, &list, &size, NULL));
  g_assert_false (admission_take_revocations (f->config, list, size, &taken, &error));
  assert_error_says (&error, G_IO_ERROR_PERMISSION_DENIED, "has not signed");
  g_assert_false (g_file_test (f->crl_path, G_FILE_TEST_EXISTS));
  tear_down (&other, NULL);
}

/* The list at PATH as it is now.  */
static char *
read_list (const char *path)
{
  char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

static void
take (Fixture *f, const CertificateAuthority *authority, const char *path, const char *list,
      gboolean expected, guint64 number)
{
  g_autoptr (GError) error = NULL;
  gboolean taken = !expected;
  guint64 actual;

  revocation_install (f->ca_path, path, authority, list, strlen (list), &taken, &error);
  g_assert_no_error (error);
  g_assert_cmpint (taken, ==, expected);
  g_assert_true (revocation_number (path, &actual, NULL));
  g_assert_cmpuint (actual, ==, number);
}

/* Lists only go forward, and two publishers' become one.  */
static void
test_lists (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (gnutls_x509_crt_t) a = join_well (f, "pc2");
  g_auto (gnutls_x509_crt_t) b = join_well (f, "pc3");
  g_autofree char *second_path = g_build_filename (f->directory, "second.pem", NULL);
  g_autofree char *third_path = g_build_filename (f->directory, "third.pem", NULL);
  g_autoptr (CertificateAuthority) authority = host_identity_load_authority (f->site, &error);

  g_assert_true (revocation_add (authority, f->crl_path, a, &error));
  g_assert_true (revocation_add (authority, f->crl_path, a, &error));
  g_autofree char *one = read_list (f->crl_path);
  take (f, NULL, second_path, one, TRUE, 1);
  take (f, NULL, second_path, one, FALSE, 1);
  take (f, authority, second_path, one, FALSE, 1);
  g_assert_true (revocation_add (authority, f->crl_path, b, &error));
  g_autofree char *two = read_list (f->crl_path);
  take (f, NULL, second_path, two, TRUE, 2);
  take (f, NULL, second_path, one, FALSE, 2);
  take (f, authority, second_path, one, FALSE, 2);

  g_assert_true (revocation_add (authority, third_path, b, &error));
  g_autofree char *other_one = read_list (third_path);
  take (f, NULL, third_path, one, FALSE, 1); // whose number is the same
  take (f, authority, third_path, one, TRUE, 2);
  take (f, authority, third_path, other_one, FALSE, 2);
  g_autoptr (RevocationCheck) check = revocation_check_new (f->ca_path, third_path, &error);
  g_assert_false (belongs (check, a, NULL));
  g_assert_false (belongs (check, b, NULL));

  // A list with a higher number that lacks what this publisher has removed.
  g_auto (gnutls_x509_crt_t) c = join_well (f, "pc4");
  g_autofree char *fourth_path = g_build_filename (f->directory, "fourth.pem", NULL);
  g_autoptr (RevocationCheck) last = revocation_check_new (f->ca_path, fourth_path, &error);
  g_assert_true (revocation_add (authority, fourth_path, c, &error));
  take (f, authority, fourth_path, two, TRUE, 3);
  g_assert_false (belongs (last, a, NULL));
  g_assert_false (belongs (last, c, NULL));
}

static void
test_bad_lists (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (gnutls_x509_crt_t) certificate = join_well (f, "pc2");
  g_autofree char *path = g_build_filename (f->directory, "other.pem", NULL);
  gboolean taken;

  g_assert_true (admission_remove (f->config, "pc2", &error));
  g_autofree char *list = read_list (f->crl_path);
  char *end = strstr (list, "\n-----END");
  for (char *at = strchr (list, '\n') + 1; at < end; at++)
    {
      char was = *at;
      if (was == '\n' || was == '=')
        continue;
      *at = was == 'A' ? 'B' : 'A';
      revocation_install (f->ca_path, path, NULL, list, strlen (list), &taken, NULL);
      g_assert_false (taken);
      *at = was;
    }
  revocation_install (f->ca_path, path, NULL, "", 0, &taken, &error);
  assert_error_says (&error, G_IO_ERROR_FAILED, "not a revocation list");
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));

  g_assert_true (g_file_set_contents (f->crl_path, "damaged", -1, NULL));
  g_autoptr (RevocationCheck) check = revocation_check_new (f->ca_path, f->crl_path, NULL);
  g_assert_false (belongs (check, certificate, &error)); // not: as if there were none
  assert_error_says (&error, G_IO_ERROR_FAILED, "crl.pem");
}

static void
test_identity (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (HostIdentity) identity = host_identity_load (f->config, &error);
  g_autofree char *own_name = host_name_default ();
  g_autofree char *issued = g_strdup_printf ("%s/hosts/pc1.pem", f->site);
  GStatBuf status;

  g_assert_no_error (error);
  g_assert_cmpstr (identity->name, ==, "pc1");
  g_assert_cmpint (g_stat (identity->key_path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0600);

  g_assert_true (host_identity_ensure (f->config, &error));
  // As a site was before hosts had certificates.
  g_unlink (identity->certificate_path);
  g_unlink (identity->key_path);
  g_unlink (issued);
  g_assert_null (host_identity_load (f->config, &error));
  assert_error_says (&error, G_IO_ERROR_NOT_FOUND, "gild invite");
  g_assert_true (host_identity_ensure (f->config, &error));
  g_autoptr (HostIdentity) again = host_identity_load (f->config, &error);
  g_assert_cmpstr (again->name, ==, own_name);

  g_autofree char *ca_key = g_build_filename (f->site, "ca-key.pem", NULL);
  g_unlink (ca_key);
  g_unlink (identity->certificate_path);
  g_assert_false (host_identity_ensure (f->config, &error));
  assert_error_says (&error, G_IO_ERROR_NOT_FOUND, "no certificate");
  g_assert_null (admission_invite (f->config, HOUR, &error));
  assert_error_says (&error, G_IO_ERROR_NOT_FOUND, "no publisher");
}

int
main (int argc, char **argv)
{
  const struct passwd *nobody = geteuid () == 0 ? getpwnam ("nobody") : NULL;

  // Root's sites are the user gild's, which need not be there.
  if (nobody && !privilege_change_user (nobody->pw_uid, nobody->pw_gid))
    g_error ("cannot become nobody");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/admission/token/bad", test_bad_tokens);
  g_test_add_func ("/admission/token/good", test_tokens);
  g_test_add_func ("/admission/host-name", test_host_names);
#define ADD(name, function)                                                                        \
  g_test_add ("/admission/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("bad-requests", test_bad_requests);
  ADD ("bad-certification-requests", test_bad_certification_requests);
  ADD ("once", test_tokens_work_once);
  ADD ("race", test_race);
  ADD ("name-taken", test_name_taken);
  ADD ("joined", test_joined);
  ADD ("clocks", test_clocks);
  ADD ("removal", test_removal);
  ADD ("strangers", test_strangers);
  ADD ("lists", test_lists);
  ADD ("bad-lists", test_bad_lists);
  ADD ("identity", test_identity);
  return g_test_run ();
}
