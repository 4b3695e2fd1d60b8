// SPDX-License-Identifier: GPL-2.0-or-later
// What the hook takes from gildd's answer, and what it does not believe.

#include "virt-hooks/prepare-answer.h"

#include <string.h>

#include "qcow-backing/json-read.h"

#define UUID "edd5e4b8-8559-87f6-bdda-8c30c5d16b3c"
#define XML(sizes)                                                                                 \
  "<domain><name>pc1</name><uuid>" UUID                                                            \
  "</uuid><metadata><g:desktop xmlns:g='urn:gild:desktop:1' " sizes ">"                            \
  "<g:disk target='vda' image='a/b'/><g:disk target='vdb' image='a/c' version='5'/></g:desktop>"   \
  "</metadata><devices>" DISK ("vda") DISK ("vdb") "</devices></domain>"
#define DISK(target)                                                                               \
  "<disk><driver type='qcow2' error_policy='stop' rerror_policy='stop'/>"                          \
  "<source file='/run/gild/desktops/pc1/" target ".qcow2'/><target dev='" target "'/></disk>"

#define HEAD "'name':'pc1','uuid':'" UUID "'"
#define VDA                                                                                        \
  "{'target':'vda','image':'a/b','channel':'production','version':7,'virtual_size':65537,"         \
  "'backing':'nbd+unix:///a/b@7?socket=/run/gild/nbd.sock'}"
#define VDB                                                                                        \
  "{'target':'vdb','image':'a/c','channel':null,'version':5,'virtual_size':1,"                     \
  "'backing':'nbd+unix:///a/c@5?socket=/run/gild/nbd.sock'}"
#define ANSWER(head, disks) "{" head ",'overlay':1048576,'spill':0,'disks':[" disks "]}"
#define VDA_WITH(image, channel, version, size, backing)                                           \
  ANSWER (HEAD, VDB ",{'target':'vda','image':" image ",'channel':" channel ",'version':" version  \
                    ",'virtual_size':" size ",'backing':" backing "}")

static Metadata *
make_metadata (const char *xml)
{
  g_autoptr (GError) error = NULL;
  Metadata *metadata = metadata_parse (xml, strlen (xml), "/run/gild", &error);

  g_assert_no_error (error);
  return metadata;
}

/* JSON with its quotes as they are in these tables.  */
static JsonNode *
make_json (const char *text)
{
  g_autofree char *json = g_strdelimit (g_strdup (text), "'", '"');
  g_autoptr (GError) error = NULL;
  JsonNode *node = json_read_object (json, strlen (json), NULL, &error);

  g_assert_no_error (error);
  return node;
}

static PrepareAnswer *
read_answer (const char *xml, const char *text, GError **error)
{
  g_autoptr (Metadata) metadata = make_metadata (xml);
  g_autoptr (JsonNode) node = make_json (text);

  return prepare_answer_read (json_node_get_object (node), metadata, "/run/gild/nbd.sock", error);
}

static const struct
{
  const char *name, *answer, *says;
} BAD[] = {
  { "empty", "{}", "\"name\" is missing" },
  { "another-name", ANSWER ("'name':'pc2','uuid':'" UUID "'", VDA "," VDB), "\"pc2\"" },
  { "no-uuid", ANSWER ("'name':'pc1'", VDA "," VDB), "\"uuid\"" },
  { "no-overlay", "{" HEAD ",'disks':[" VDA "," VDB "]}", "\"overlay\"" },
  { "text-overlay", "{" HEAD ",'overlay':'1GiB','disks':[" VDA "," VDB "]}", "\"overlay\"" },
  { "small-overlay", "{" HEAD ",'overlay':1048575,'disks':[" VDA "," VDB "]}", "1048575" },
  { "negative-overlay", "{" HEAD ",'overlay':-1,'disks':[" VDA "," VDB "]}", "-1" },
  { "no-disks", "{" HEAD ",'overlay':1048576}", "\"disks\"" },
  { "disk-missing", ANSWER (HEAD, VDA), "1 disks" },
  { "disk-too-many", ANSWER (HEAD, VDA "," VDB "," VDB), "3 disks" },
  { "disk-twice", ANSWER (HEAD, VDA "," VDA), "disk vdb: it is missing" },
  { "disk-of-text", ANSWER (HEAD, "'vda','vdb'"), "not an object" },
  { "another-image",
    VDA_WITH ("'a/x'", "'production'", "7", "1", "'nbd+unix:///a/x@7?socket=/run/gild/nbd.sock'"),
    "\"a/x\"" },
  { "another-channel",
    VDA_WITH ("'a/b'", "'test'", "7", "1", "'nbd+unix:///a/b@7?socket=/run/gild/nbd.sock'"),
    "\"test\"" },
  { "no-version",
    VDA_WITH ("'a/b'", "'production'", "0", "1", "'nbd+unix:///a/b@0?socket=/run/gild/nbd.sock'"),
    "\"version\"" },
  { "no-size",
    VDA_WITH ("'a/b'", "'production'", "7", "0", "'nbd+unix:///a/b@7?socket=/run/gild/nbd.sock'"),
    "\"virtual_size\"" },
  { "huge-size",
    VDA_WITH ("'a/b'", "'production'", "7", "4398046511105",
              "'nbd+unix:///a/b@7?socket=/run/gild/nbd.sock'"),
    "\"virtual_size\"" },
  { "backing-elsewhere",
    VDA_WITH ("'a/b'", "'production'", "7", "1", "'nbd+unix:///a/b@7?socket=/tmp/nbd.sock'"),
    "/tmp/nbd.sock" },
  { "backing-file", VDA_WITH ("'a/b'", "'production'", "7", "1", "'/etc/shadow'"), "/etc/shadow" },
  { "backing-of-another-version",
    VDA_WITH ("'a/b'", "'production'", "7", "1", "'nbd+unix:///a/b@6?socket=/run/gild/nbd.sock'"),
    "a/b@6" },
  { "another-version-than-pinned",
    ANSWER (HEAD, VDA ",{'target':'vdb','image':'a/c','channel':null,'version':6,'virtual_size':1,"
                      "'backing':'nbd+unix:///a/c@6?socket=/run/gild/nbd.sock'}"),
    "\"version\" is 6" },
};

static void
test_bad (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (GError) error = NULL;

  g_assert_null (read_answer (XML (""), BAD[i].answer, &error));
  g_assert_nonnull (error);
  if (!strstr (error->message, BAD[i].says))
    g_error ("%s: \"%s\" does not say \"%s\"", BAD[i].name, error->message, BAD[i].says);
}

static void
test_another_cap (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (read_answer (XML ("overlay='2MiB'"), ANSWER (HEAD, VDA "," VDB), &error));
  g_assert_nonnull (strstr (error->message, "\"overlay\""));
}

static void
test_good (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PrepareAnswer) answer =
      read_answer (XML ("overlay='1MiB'"), ANSWER (HEAD, VDB "," VDA), &error);

  g_assert_no_error (error);
  g_assert_cmpuint (answer->overlay_bytes, ==, 1048576);
  g_assert_cmpuint (answer->disks->len, ==, 2);
  const PrepareDisk *vda = answer->disks->pdata[0], *vdb = answer->disks->pdata[1];
  g_assert_cmpstr (vda->target, ==, "vda");
  g_assert_cmpstr (vda->backing, ==, "nbd+unix:///a/b@7?socket=/run/gild/nbd.sock");
  g_assert_cmpuint (vda->virtual_size_bytes, ==, 65537);
  g_assert_cmpstr (vdb->target, ==, "vdb");
  g_assert_cmpuint (vdb->virtual_size_bytes, ==, 1);
}

static const struct
{
  const char *xml, *request;
} REQUESTS[] = {
  { XML (""), "" },
  { XML ("overlay='2GiB'"), "'overlay':2147483648," },
  { XML ("spill='0'"), "'spill':0," },
};

static void
test_request (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (REQUESTS); i++)
    {
      g_autoptr (Metadata) metadata = make_metadata (REQUESTS[i].xml);
      g_autoptr (JsonNode) request = prepare_request (metadata);
      g_autofree char *text = json_to_string (request, FALSE);
      g_autofree char *expected =
          g_strdup_printf ("{'uuid':'" UUID "',%s'disks':["
                           "{'target':'vda','image':'a/b','channel':'production'},"
                           "{'target':'vdb','image':'a/c','version':5}]}",
                           REQUESTS[i].request);
      g_assert_cmpstr (text, ==, g_strdelimit (expected, "'", '"'));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autofree char *path = g_strconcat ("/prepare-answer/bad/", BAD[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_bad);
    }
  g_test_add_func ("/prepare-answer/bad/another-cap", test_another_cap);
  g_test_add_func ("/prepare-answer/good", test_good);
  g_test_add_func ("/prepare-answer/request", test_request);
  return g_test_run ();
}
