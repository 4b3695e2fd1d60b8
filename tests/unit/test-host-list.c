// SPDX-License-Identifier: GPL-2.0-or-later
// The list of hosts: what is senseless is refused, what is older never replaces what is newer.
#include <glib/gstdio.h>
#include <string.h>

#include "network/host-list.h"
#include "qcow-backing/json-read.h"

#define NOW (G_GINT64_CONSTANT (1000000) * G_USEC_PER_SEC)

static Host *
parse (const char *text, const char *own_address)
{
  g_autoptr (JsonNode) node = json_read_object (text, strlen (text), NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (node);
  Host *host = host_from_json (json_node_get_object (node), own_address, NOW, &error);
  g_assert_true ((host != NULL) == (error == NULL));
  return host;
}

static void
test_bad_hosts (void)
{
#define HOST(NAME, ADDRESS, PORT, ORIGIN, SEEN, REST)                                              \
  "{\"name\":" NAME ",\"address\":" ADDRESS ",\"port\":" PORT ",\"origin\":" ORIGIN                \
  ",\"publisher\":false,\"seen\":" SEEN REST "}"
  static const char *const BAD[] = {
    "{}",
    HOST ("\"\"", "\"192.0.2.7\"", "1", "true", "0", ""),
    HOST ("\"-pc\"", "\"192.0.2.7\"", "1", "true", "0", ""),
    HOST ("\"Pc\"", "\"192.0.2.7\"", "1", "true", "0", ""),
    HOST ("\"pc.firm\"", "\"192.0.2.7\"", "1", "true", "0", ""),
    HOST ("\"../pc\"", "\"192.0.2.7\"", "1", "true", "0", ""),
    HOST ("\"0123456789012345678901234567890123456789012345678901234567890123\"", "\"192.0.2.7\"",
          "1", "true", "0", ""),
    HOST ("7", "\"192.0.2.7\"", "1", "true", "0", ""),
    HOST ("\"pc\"", "\"server.firm\"", "1", "true", "0", ""),
    HOST ("\"pc\"", "\"192.0.2.7:80\"", "1", "true", "0", ""),
    HOST ("\"pc\"", "\"\"", "1", "true", "0", ""),
    HOST ("\"pc\"", "null", "1", "true", "0", ""),
    HOST ("\"pc\"", "\"192.0.2.7\"", "0", "true", "0", ""),
    HOST ("\"pc\"", "\"192.0.2.7\"", "65536", "true", "0", ""),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "1", "0", ""),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "-1", ""),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "999999999999999999", ""),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "0", ",\"versions\":{}"),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "0", ",\"versions\":[7]"),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "0",
          ",\"versions\":[{\"ref\":\"a/b\",\"missing\":0}]"),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "0",
          ",\"versions\":[{\"ref\":\"../b@1\",\"missing\":0}]"),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "0",
          ",\"versions\":[{\"ref\":\"a/b@1\",\"missing\":-1}]"),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "0", ",\"desktops\":[1]"),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "0", ",\"desktops\":[\"a/b\"]"),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "0", ",\"desktops\":\"a\""),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "0", ",\"running\":[1]"),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "0", ",\"running\":[\"a/b\"]"),
    HOST ("\"pc\"", "\"192.0.2.7\"", "1", "true", "0", ",\"running\":\"a/b@1\""),
  };
  static const struct
  {
    const char *text, *own_address, *address;
  } GOOD[] = {
    { HOST ("\"pc\"", "\"192.0.2.7\"", "65535", "true", "0", ""), NULL, "192.0.2.7" },
    { HOST ("\"pc\"", "\"2001:DB8::7\"", "1", "false", "null", ""), NULL, "2001:db8::7" },
    { HOST ("\"pc\"", "\"::ffff:192.0.2.7\"", "1", "false", "3", ""), NULL, "192.0.2.7" },
    { HOST ("\"pc\"", "null", "1", "false", "3", ""), "192.0.2.9", "192.0.2.9" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (Host) host = parse (BAD[i], NULL);
      g_test_message ("%s", BAD[i]);
      g_assert_null (host);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (GOOD); i++)
    {
      g_autoptr (Host) host = parse (GOOD[i].text, GOOD[i].own_address);
      g_assert_nonnull (host);
      g_assert_cmpstr (host->address, ==, GOOD[i].address);
    }
}

/* A host that an origin heard of SECONDS ago.  */
static Host *
make_host (const char *name, const char *address, gint64 seconds)
{
  Host *host = host_new (name, address, 10890);

  host->seen_us = g_get_monotonic_time () - seconds * G_USEC_PER_SEC;
  return host;
}

static Host *
make_full_host (void)
{
  static const char *const DESKTOPS[] = { "alice", "bob", NULL };
  Host *host = make_host ("pc1", "192.0.2.1", 10);

  host->is_origin = TRUE;
  g_ptr_array_add (host->versions, host_version_new ("a/b@1", 0));
  g_ptr_array_add (host->versions, host_version_new ("a/b@2", 65536));
  g_strfreev (host->desktops);
  host->desktops = g_strdupv ((char **)DESKTOPS);
  return host;
}

static void
test_json (void)
{
  g_autoptr (Host) host = make_full_host ();
  gint64 now_us = host->seen_us + 10 * G_USEC_PER_SEC;
  JsonObject *object = host_to_json (host, now_us);
  g_autoptr (Host) same = host_from_json (object, NULL, now_us, NULL);

  g_assert_nonnull (same);
  g_assert_true (host_reached_alike (host, same) && host_holds_alike (host, same));
  g_assert_cmpint (same->seen_us, ==, host->seen_us);
  json_object_unref (object);
}

static void
put (HostList *list, Host *host)
{
  g_assert_true (host_list_put (list, host));
  host_unref (host);
}

static void
assert_names (HostList *list, const char *expected)
{
  g_autoptr (GPtrArray) hosts = host_list_get (list);
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < hosts->len; i++)
    g_string_append_printf (names, "%s%s", i ? " " : "", ((Host *)hosts->pdata[i])->name);
  g_assert_cmpstr (names->str, ==, expected);
}

static void
assert_address (HostList *list, const char *name, const char *address)
{
  g_autoptr (Host) host = host_list_find (list, name);

  g_assert_nonnull (host);
  g_assert_cmpstr (host->address, ==, address);
}

static void
test_newest_counts (void)
{
  g_autoptr (HostList) list = host_list_new ("/nonexistent/hosts.json", "own");

  put (list, make_host ("own", "192.0.2.1", 0));
  assert_names (list, "");
  put (list, make_host ("pc2", "192.0.2.2", 20));
  put (list, make_host ("pc1", "192.0.2.1", 20));
  assert_names (list, "pc1 pc2");
  put (list, make_host ("pc1", "192.0.2.11", 30));
  assert_address (list, "pc1", "192.0.2.1");
  put (list, make_host ("pc1", "192.0.2.12", 10));
  assert_address (list, "pc1", "192.0.2.12");
  host_list_remove (list, "pc2");
  host_list_remove (list, "pc2");
  assert_names (list, "pc1");
}

static void
assert_grew (HostList *list, HostListGeneration *last, guint reach, guint holdings)
{
  HostListGeneration now = host_list_generation (list);

  g_assert_cmpuint (now.reach - last->reach, ==, reach);
  g_assert_cmpuint (now.holdings - last->holdings, ==, holdings);
  *last = now;
}

static void
test_generation (void)
{
  g_autoptr (HostList) list = host_list_new ("/nonexistent/hosts.json", "own");
  HostListGeneration last = host_list_generation (list);
  static const char *const NAMES[] = { "pc1", "nobody", NULL };

  put (list, make_host ("pc1", "192.0.2.1", 20));
  assert_grew (list, &last, 1, 1);
  put (list, make_host ("pc1", "192.0.2.1", 10)); // nothing but the time
  assert_grew (list, &last, 0, 0);
  put (list, make_host ("pc1", "192.0.2.2", 9));
  assert_grew (list, &last, 1, 0);
  put (list, make_full_host ());
  put (list, make_host ("pc1", "192.0.2.2", 8));
  assert_grew (list, &last, 0, 0); // the full one was heard of earlier
  put (list, make_host ("pc1", "192.0.2.2", HOST_LIVE_SECONDS + 1));
  assert_grew (list, &last, 0, 0);
  host_list_remove (list, "pc1");
  assert_grew (list, &last, 1, 0);
  put (list, make_host ("pc1", "192.0.2.2", HOST_LIVE_SECONDS + 1));
  assert_grew (list, &last, 1, 1);
  host_list_touch (list, NAMES); // it is live again
  assert_grew (list, &last, 1, 0);
}

static gboolean
lives (HostList *list, const char *name)
{
  g_autoptr (Host) host = host_list_find (list, name);

  return host && host_is_live (host, g_get_monotonic_time ());
}

/* A host that nobody hears of any more is a change though nobody says so.  */
static void
test_going_is_noticed (void)
{
  g_autoptr (HostList) list = host_list_new ("/nonexistent/hosts.json", "own");
  Host *host = make_host ("pc1", "192.0.2.1", HOST_LIVE_SECONDS);

  host->is_origin = TRUE;
  host->seen_us += G_USEC_PER_SEC / 5;
  put (list, host);
  put (list, make_host ("pc2", "192.0.2.2", 0));
  HostListGeneration before = host_list_generation (list);
  g_assert_true (lives (list, "pc1"));
  g_usleep (G_USEC_PER_SEC / 4);
  put (list, make_host ("pc2", "192.0.2.2", 0)); // as a heartbeat of another host does
  g_assert_false (lives (list, "pc1"));
  g_assert_true (host_list_has_origin (list));
  g_assert_cmpuint (host_list_generation (list).reach, ==, before.reach + 1);
}

static JsonObject *
answer_of (HostList *list, gboolean is_publisher)
{
  g_autoptr (Host) own = host_new ("srv", NULL, 10890);

  own->is_origin = TRUE;
  own->is_publisher = is_publisher;
  own->seen_us = g_get_monotonic_time ();
  return host_list_to_json (list, own);
}

static void
test_merge (void)
{
  g_autoptr (HostList) list = host_list_new ("/nonexistent/hosts.json", "pc1");
  g_autoptr (HostList) at_server = host_list_new ("/nonexistent/hosts.json", "srv");
  g_autoptr (Host) server = host_new ("srv", "192.0.2.100", 4711);
  g_autoptr (GError) error = NULL;

  put (at_server, make_host ("pc1", "192.0.2.1", 0));
  put (at_server, make_host ("pc2", "192.0.2.2", 1));
  put (list, make_host ("gone", "192.0.2.3", 1000));
  put (list, make_host ("live", "192.0.2.4", 10));
  g_autoptr (JsonObject) by_replica = answer_of (at_server, FALSE);
  server->is_origin = FALSE; // then it is believed in what it says of itself
  g_assert_true (host_list_merge (list, server, by_replica, &error));
  assert_names (list, "gone live srv");
  server->is_origin = TRUE;
  g_assert_true (host_list_merge (list, server, by_replica, &error));
  assert_names (list, "gone live pc2 srv");
  assert_address (list, "srv", "192.0.2.100");
  g_autoptr (JsonObject) by_publisher = answer_of (at_server, TRUE);
  g_assert_true (host_list_merge (list, server, by_publisher, &error));
  assert_names (list, "live pc2 srv");
  g_assert_true (lives (list, "srv"));

  JsonObject *bad = json_object_new ();
  json_array_add_object_element (json_object_get_array_member (by_publisher, "hosts"), bad);
  host_list_remove (list, "pc2");
  g_assert_false (host_list_merge (list, server, by_publisher, &error));
  g_assert_nonnull (error);
  assert_names (list, "live srv");
}

/* A host that was removed is live when the publisher does not name it, and is forgotten when it is
   not.  */
static void
test_removed_elsewhere (void)
{
  g_autoptr (HostList) list = host_list_new ("/nonexistent/hosts.json", "replica");
  g_autoptr (HostList) at_server = host_list_new ("/nonexistent/hosts.json", "srv");
  g_autoptr (Host) server = host_new ("srv", "192.0.2.100", 4711);
  Host *host = make_host ("pc1", "192.0.2.1", HOST_LIVE_SECONDS);
  g_autoptr (GError) error = NULL;

  server->is_origin = TRUE;
  host->seen_us += G_USEC_PER_SEC / 5;
  put (list, host);
  g_autoptr (JsonObject) answer = answer_of (at_server, TRUE);
  g_assert_true (host_list_merge (list, server, answer, &error));
  assert_names (list, "pc1 srv");
  g_usleep (G_USEC_PER_SEC / 4);
  host_list_generation (list);
  assert_names (list, "srv");
}

/* An origin that has not heard yet of a removal does not bring the host back.  */
static void
test_removed (void)
{
  g_autoptr (HostList) list = host_list_new ("/nonexistent/hosts.json", "srv");
  g_autoptr (HostList) at_replica = host_list_new ("/nonexistent/hosts.json", "srv");
  g_autoptr (Host) replica = host_new ("srv", "192.0.2.100", 4711);
  g_autoptr (GError) error = NULL;

  replica->is_origin = TRUE;
  put (list, make_host ("pc1", "192.0.2.1", 1));
  put (at_replica, make_host ("pc1", "192.0.2.1", 0));
  host_list_remove (list, "pc1");
  g_autoptr (JsonObject) answer = answer_of (at_replica, FALSE);
  g_assert_true (host_list_merge (list, replica, answer, &error));
  assert_names (list, "");
  put (list, make_host ("pc1", "192.0.2.1", 0)); // it came back by itself
  g_assert_true (host_list_merge (list, replica, answer, &error));
  assert_names (list, "pc1");
}

static void
test_file (void)
{
  g_autofree char *directory = g_dir_make_tmp ("gild-hosts-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "hosts.json", NULL);
  g_autoptr (HostList) list = host_list_new (path, "own");
  g_autoptr (GError) error = NULL;

  put (list, make_full_host ());
  put (list, host_new ("new", "192.0.2.9", 1));
  g_assert_true (host_list_save (list, &error));
  g_autoptr (HostList) again = host_list_new (path, "own");
  assert_names (again, "new pc1");
  g_autoptr (Host) host = host_list_find (again, "pc1");
  g_assert_true (host_is_live (host, g_get_monotonic_time ()));
  g_assert_cmpuint (host->versions->len, ==, 2);
  g_unlink (path);
  g_assert_true (host_list_save (list, &error)); // nothing has changed
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));

  g_assert_true (g_file_set_contents (path, "{}", -1, NULL));
  g_test_expect_message ("gild", G_LOG_LEVEL_MESSAGE, "*passed over*");
  g_autoptr (HostList) damaged = host_list_new (path, "own");
  g_test_assert_expected_messages ();
  assert_names (damaged, "");
  g_unlink (path);
  g_rmdir (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/bad", test_bad_hosts);
  g_test_add_func ("/host/json", test_json);
  g_test_add_func ("/host-list/newest", test_newest_counts);
  g_test_add_func ("/host-list/generation", test_generation);
  g_test_add_func ("/host-list/going", test_going_is_noticed);
  g_test_add_func ("/host-list/merge", test_merge);
  g_test_add_func ("/host-list/removed-elsewhere", test_removed_elsewhere);
  g_test_add_func ("/host-list/removed", test_removed);
  g_test_add_func ("/host-list/file", test_file);
  return g_test_run ();
}
