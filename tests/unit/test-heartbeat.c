// SPDX-License-Identifier: GPL-2.0-or-later
// Heartbeats between an origin and two PCs, without a network: who knows whom, and what is told
// again and what is not.
#include <gio/gio.h>
#include <string.h>

#include "library-fixture.h"
#include "network/heartbeat.h"
#include "qcow-backing/boot-counts.h"
#include "qcow-backing/json-read.h"

typedef struct
{
  LibraryFixture site;
  HostList *list;
  Completeness *completeness;
  Heartbeats *heartbeats;
} Member;

typedef struct
{
  Member origin, pc1, pc2;
  Host *origin_host; // as the PCs have it from who let them in
} Fixture;

static void
set_up_member (Member *m, const char *name)
{
  library_fixture_set_up (&m->site);
  m->list = host_list_new ("/nonexistent/hosts.json", name);
  m->completeness = completeness_new (m->site.library);
  m->heartbeats = heartbeats_new (m->site.config, name, m->site.library, m->list, m->completeness);
}

static void
tear_down_member (Member *m)
{
  heartbeats_free (m->heartbeats);
  completeness_free (m->completeness);
  host_list_free (m->list);
  library_fixture_tear_down (&m->site);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  set_up_member (&f->origin, "srv");
  set_up_member (&f->pc1, "pc1");
  set_up_member (&f->pc2, "pc2");
  f->origin_host = host_new ("srv", "192.0.2.100", 4711);
  f->origin_host->is_origin = TRUE;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  tear_down_member (&f->origin);
  tear_down_member (&f->pc1);
  tear_down_member (&f->pc2);
  host_unref (f->origin_host);
}

/* What MEMBER, NAME at ADDRESS, gets for a heartbeat.  */
static JsonObject *
answer_to (Fixture *f, Member *member, const char *name, const char *address,
           gboolean with_holdings)
{
  g_autoptr (JsonObject) body = heartbeats_say (member->heartbeats, f->origin_host, with_holdings);
  g_autoptr (GError) error = NULL;
  JsonObject *answer = heartbeats_hear (f->origin.heartbeats, name, address, body, &error);

  g_assert_no_error (error);
  return answer;
}

/* A whole heartbeat; whether the answer had the hosts.  */
static gboolean
beat (Fixture *f, Member *member, const char *name, const char *address, gboolean with_holdings)
{
  g_autoptr (JsonObject) answer = answer_to (f, member, name, address, with_holdings);
  g_autoptr (GPtrArray) images = NULL;
  g_autoptr (GError) error = NULL;
  guint64 crl;

  g_assert_true (
      heartbeats_take (member->heartbeats, f->origin_host, answer, &images, &crl, &error));
  g_assert_no_error (error);
  return json_object_has_member (answer, "hosts");
}

static void
assert_knows (Member *member, const char *name, const char *address)
{
  g_autoptr (Host) host = host_list_find (member->list, name);

  g_assert_nonnull (host);
  g_assert_cmpstr (host->address, ==, address);
  g_assert_true (host_is_live (host, g_get_monotonic_time ()));
}

static void
test_hosts (Fixture *f, gconstpointer data)
{
  g_assert_true (beat (f, &f->pc1, "pc1", "192.0.2.1", FALSE));
  assert_knows (&f->pc1, "srv", "192.0.2.100");
  assert_knows (&f->origin, "pc1", "192.0.2.1");
  g_assert_false (beat (f, &f->pc1, "pc1", "192.0.2.1", FALSE));
  g_assert_false (beat (f, &f->pc1, "pc1", "192.0.2.1", TRUE));
  g_assert_true (beat (f, &f->pc2, "pc2", "192.0.2.2", FALSE));
  assert_knows (&f->pc2, "pc1", "192.0.2.1");
  g_assert_true (beat (f, &f->pc1, "pc1", "192.0.2.1", FALSE));
  assert_knows (&f->pc1, "pc2", "192.0.2.2");

  // A new address of one is told to the other.
  g_assert_true (beat (f, &f->pc2, "pc2", "192.0.2.22", FALSE));
  g_assert_true (beat (f, &f->pc1, "pc1", "192.0.2.1", FALSE));
  assert_knows (&f->pc1, "pc2", "192.0.2.22");
}

/* A host that the answers do not repeat stays as live as the answers.  */
static void
test_live_without_repeating (Fixture *f, gconstpointer data)
{
  beat (f, &f->pc2, "pc2", "192.0.2.2", FALSE);
  g_assert_true (beat (f, &f->pc1, "pc1", "192.0.2.1", FALSE));
  g_autoptr (Host) before = host_list_find (f->pc1.list, "pc2");
  g_usleep (2000);
  g_assert_false (beat (f, &f->pc1, "pc1", "192.0.2.1", FALSE));
  g_autoptr (Host) after = host_list_find (f->pc1.list, "pc2");
  g_assert_cmpint (after->seen_us, >, before->seen_us);
}

/* What others have is told to who asks for it.  */
static void
test_holdings (Fixture *f, gconstpointer data)
{
  static const guint8 BYTES[] = { 1, 2 };

  beat (f, &f->pc2, "pc2", "192.0.2.2", FALSE);
  beat (f, &f->pc1, "pc1", "192.0.2.1", FALSE);
  library_fixture_add_version (&f->pc2.site, "demo/desktop", 1, BYTES, 2);
  completeness_scan (f->pc2.completeness, 100);
  g_usleep (G_USEC_PER_SEC + 1000); // it looks once a second
  beat (f, &f->pc2, "pc2", "192.0.2.2", FALSE);
  g_assert_false (beat (f, &f->pc1, "pc1", "192.0.2.1", FALSE));
  g_assert_true (beat (f, &f->pc1, "pc1", "192.0.2.1", TRUE));
  g_autoptr (Host) pc2 = host_list_find (f->pc1.list, "pc2");
  g_assert_cmpuint (pc2->versions->len, ==, 1);
  g_assert_cmpuint (((HostVersion *)pc2->versions->pdata[0])->missing_bytes, ==, 2 * CHUNK_SIZE);
}

static void
test_images (Fixture *f, gconstpointer data)
{
  static const guint8 BYTES[] = { 1 };
  g_autoptr (GPtrArray) images = NULL;
  guint64 crl = 0;
  static const char *const PATTERNS[] = { "srv*", NULL };
  ConfigDepartment secret = { (char *)"secret", (char **)PATTERNS };

  library_fixture_add_version (&f->origin.site, "demo/desktop", 1, BYTES, 1);
  library_fixture_set_channel (&f->origin.site, "demo/desktop", 3, 1);
  library_fixture_add_version (&f->origin.site, "secret/desktop", 1, BYTES, 1);
  library_fixture_set_channel (&f->origin.site, "secret/desktop", 1, 1);
  g_ptr_array_set_free_func (f->origin.site.config->departments, NULL);
  g_ptr_array_add (f->origin.site.config->departments, &secret);
  heartbeats_set_crl (f->origin.heartbeats, 7);
  g_autoptr (JsonObject) answer = answer_to (f, &f->pc1, "pc1", "192.0.2.1", FALSE);
  g_assert_true (heartbeats_take (f->pc1.heartbeats, f->origin_host, answer, &images, &crl, NULL));
  g_assert_cmpuint (images->len, ==, 1);
  g_assert_cmpstr (((HeartbeatImage *)images->pdata[0])->image, ==, "demo/desktop");
  g_assert_cmpuint (((HeartbeatImage *)images->pdata[0])->serial, ==, 3);
  g_assert_cmpuint (crl, ==, 7);
}

/* How desktops came up is told to the origin.  */
static void
test_boots (Fixture *f, gconstpointer data)
{
  static const char TEXT[] =
      "{\"format\":\"gild-boots-1\",\"versions\":[{\"ref\":\"demo/desktop@1\",\"started\":3,"
      "\"up\":2,\"late\":1,\"gone\":0,\"resets\":5,\"crashes\":0}],\"running\":[]}";
  g_autofree char *path = config_state_path (f->pc1.site.config, "images", "boots.json", NULL);

  g_assert_null (heartbeats_boots (f->origin.heartbeats, "pc1"));
  g_assert_true (g_file_set_contents (path, TEXT, -1, NULL));
  beat (f, &f->pc1, "pc1", "192.0.2.1", FALSE);
  g_autoptr (GPtrArray) boots = heartbeats_boots (f->origin.heartbeats, "pc1");
  const BootCounts *counts = boot_counts_find (boots, "demo/desktop@1");
  g_assert_cmpuint (counts->started, ==, 3);
  g_assert_cmpuint (counts->resets, ==, 5);
}

static void
test_bad_bodies (Fixture *f, gconstpointer data)
{
  static const char *const BAD[] = {
    "{}",
    "{\"format\":\"gild-heartbeat-2\",\"port\":1,\"origin\":false,\"publisher\":false}",
    "{\"format\":\"gild-heartbeat-1\",\"port\":0,\"origin\":false,\"publisher\":false}",
    "{\"format\":\"gild-heartbeat-1\",\"port\":1,\"origin\":0,\"publisher\":false}",
    "{\"format\":\"gild-heartbeat-1\",\"port\":1,\"origin\":false,\"publisher\":false,"
    "\"versions\":7}",
    "{\"format\":\"gild-heartbeat-1\",\"port\":1,\"origin\":false,\"publisher\":false,"
    "\"boots\":7}",
    "{\"format\":\"gild-heartbeat-1\",\"port\":1,\"origin\":false,\"publisher\":false,"
    "\"boots\":[{\"ref\":\"a/b@1\"}]}",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (JsonNode) node = json_read_object (BAD[i], strlen (BAD[i]), NULL, NULL);
      g_autoptr (GError) error = NULL;
      g_assert_null (heartbeats_hear (f->origin.heartbeats, "pc1", "192.0.2.1",
                                      json_node_get_object (node), &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    }
  g_assert_null (host_list_find (f->origin.list, "pc1"));
}

/* Each member of an answer, spoilt: it is refused, and nothing of it is taken.  */
static void
test_bad_answers (Fixture *f, gconstpointer data)
{
  static const char *const MEMBERS[] = { "list", "reach", "holdings", "hosts", "images", "crl" };

  for (gsize i = 0; i < G_N_ELEMENTS (MEMBERS); i++)
    {
      g_autoptr (JsonObject) answer = answer_to (f, &f->pc1, "pc1", "192.0.2.1", FALSE);
      g_autoptr (GPtrArray) images = NULL;
      g_autoptr (GError) error = NULL;
      guint64 crl;
      g_test_message ("%s", MEMBERS[i]);
      json_object_set_double_member (answer, MEMBERS[i], 0.5);
      g_assert_false (
          heartbeats_take (f->pc1.heartbeats, f->origin_host, answer, &images, &crl, &error));
      g_assert_nonnull (error);
      g_assert_null (host_list_find (f->pc1.list, "srv"));
      json_object_remove_member (answer, MEMBERS[i]);
      g_assert_false (
          heartbeats_take (f->pc1.heartbeats, f->origin_host, answer, &images, &crl, NULL));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(NAME, FUNC) g_test_add ("/heartbeat/" NAME, Fixture, NULL, set_up, FUNC, tear_down)
  ADD ("bad-bodies", test_bad_bodies);
  ADD ("bad-answers", test_bad_answers);
  ADD ("hosts", test_hosts);
  ADD ("live-without-repeating", test_live_without_repeating);
  ADD ("holdings", test_holdings);
  ADD ("images", test_images);
  ADD ("boots", test_boots);
  return g_test_run ();
}
