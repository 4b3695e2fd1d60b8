// SPDX-License-Identifier: GPL-2.0-or-later
// What gildd takes for a request to prepare a desktop, and what not.

#include <gio/gio.h>

#include "daemon/desktop-request.h"
#include "qcow-backing/desktop-limits.h"

#define UUID              "\"uuid\": \"7c1ff4a4-9f0b-4f3c-a7ec-6e6d0a3d0e11\""
#define DISK              "{\"target\": \"vda\", \"image\": \"a/b\"}"
#define BODY(rest)        "{" UUID ", \"disks\": [" DISK "]" rest "}"
#define ONE_DISK(members) "{" UUID ", \"disks\": [{" members "}]}"

static const struct
{
  const char *name, *body, *sentence;
} BAD[] = {
  { "", BODY (""), "*cannot name a desktop*" },
  { "..", BODY (""), "'..' cannot name a desktop*" },
  { "a/b", BODY (""), "*cannot name a desktop*" },
  { ".hidden", BODY (""), "*cannot name a desktop*" },
  { "a b", BODY (""), "*cannot name a desktop*" },
  { "x.json", BODY (""), "*ends in .json*" },
  { "x", NULL, "*it has no body" },
  { "x", "{}", "*\"uuid\" is missing*" },
  { "x", "{\"uuid\": 7}", "*\"uuid\"*must be a string" },
  { "x", "{\"uuid\": \"7c1ff4a4\"}", "*not a UUID" },
  { "x", "{" UUID "}", "*\"disks\" is missing*" },
  { "x", "{" UUID ", \"disks\": {}}", "*\"disks\"*must be an array" },
  { "x", "{" UUID ", \"disks\": []}", "*it has no disks" },
  { "x", "{" UUID ", \"disks\": [7]}", "*disk 1: it is not an object" },
  { "x", "{" UUID ", \"disks\": [" DISK "," DISK "]}", "*disk 2: the target vda is there twice" },
  { "x", BODY (", \"colour\": 1"), "*unknown member 'colour'" },
  { "x", BODY (", \"overlay\": 0"), "*\"overlay\" is 0*" },
  { "x", BODY (", \"overlay\": -1"), "*\"overlay\" is -1*" },
  { "x", BODY (", \"overlay\": 9223372036854775807"), "*\"overlay\" is 9223372036854775807*" },
  { "x", BODY (", \"overlay\": \"2GiB\""), "*\"overlay\"*whole number" },
  { "x", BODY (", \"overlay\": 1e9"), "*\"overlay\"*whole number" },
  { "x", BODY (", \"spill\": -1"), "*\"spill\" is -1*" },
  { "x", BODY (", \"spill\": null"), "*\"spill\"*whole number" },
  { "x", BODY (", \"directory\": 7"), "*\"directory\"*must be a string" },
  { "x", BODY (", \"directory\": \"srv\""), "*'srv' is no place*" },
  { "x", BODY (", \"directory\": \"/srv\\u001b\""), "*is no place*" },
  { "x", ONE_DISK ("\"target\": \"vda\""), "*disk 1: \"image\" is missing*" },
  { "x", ONE_DISK ("\"image\": \"a/b\""), "*disk 1: \"target\" is missing*" },
  { "x", ONE_DISK ("\"target\": \"vda\", \"image\": \"../b\""), "*'../b' is not an image*" },
  { "x", ONE_DISK ("\"target\": \"vda\", \"image\": \"a/b@7\""), "*'a/b@7' is not an image*" },
  { "x", ONE_DISK ("\"target\": \"vda\", \"image\": \"A/b\""), "*'A/b' is not an image*" },
  { "x", ONE_DISK ("\"target\": \"\", \"image\": \"a/b\""), "*'' is not a disk's target*" },
  { "x", ONE_DISK ("\"target\": \"../vda\", \"image\": \"a/b\""), "*is not a disk's target*" },
  { "x", ONE_DISK ("\"target\": \"vda.qcow2\", \"image\": \"a/b\""), "*is not a disk's target*" },
  { "x", ONE_DISK ("\"target\": \"vdabcdefghijklmnop\", \"image\": \"a/b\""), "*disk's target*" },
  { "x", ONE_DISK ("\"target\": \"vda\", \"image\": \"a/b\", \"chanel\": \"test\""),
    "*disk 1: unknown member 'chanel'" },
  { "x", ONE_DISK ("\"target\": \"vda\", \"image\": \"a/b\", \"channel\": \"Test\""),
    "*'Test' is not a channel*" },
  { "x", ONE_DISK ("\"target\": \"vda\", \"image\": \"a/b\", \"channel\": null"),
    "*\"channel\"*must be a string" },
  { "x", ONE_DISK ("\"target\": \"vda\", \"image\": \"a/b\", \"version\": 0"),
    "*\"version\" is 0*" },
  { "x", ONE_DISK ("\"target\": \"vda\", \"image\": \"a/b\", \"version\": 4294967297"),
    "*\"version\" is 4294967297*" },
  { "x",
    ONE_DISK ("\"target\": \"vda\", \"image\": \"a/b\", \"version\": 1, \"channel\": \"test\""),
    "*both channel and version*" },
};

static void
test_bad (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonNode) body = BAD[i].body ? json_from_string (BAD[i].body, NULL) : NULL;

      g_assert_true (body || !BAD[i].body);
      g_assert_null (
          desktop_request_parse (BAD[i].name, body ? json_node_get_object (body) : NULL, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
      if (!g_pattern_match_simple (BAD[i].sentence, error->message))
        g_test_message ("wanted %s, got: %s", BAD[i].sentence, error->message);
      g_assert_true (g_pattern_match_simple (BAD[i].sentence, error->message));
    }
}

static void
test_too_many_disks (void)
{
  g_autoptr (GString) text = g_string_new ("{" UUID ", \"disks\": [");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < DESKTOP_DISKS_MAX + 1; i++)
    g_string_append_printf (text, "%s{\"target\": \"vda%u\", \"image\": \"a/b\"}", i ? "," : "", i);
  g_string_append (text, "]}");
  g_autoptr (JsonNode) body = json_from_string (text->str, NULL);
  g_assert_null (desktop_request_parse ("x", json_node_get_object (body), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
}

static void
test_good (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) body =
      json_from_string ("{" UUID ", \"overlay\": 2147483648, \"spill\": 0, \"disks\": [" DISK ","
                        "{\"target\": \"vdb\", \"image\": \"a/c\", \"channel\": \"test\"},"
                        "{\"target\": \"sda\", \"image\": \"a/c\", \"version\": 5}]}",
                        NULL);
  g_autoptr (DesktopRequest) request =
      desktop_request_parse ("PC-7.office", json_node_get_object (body), &error);

  g_assert_no_error (error);
  g_assert_cmpstr (request->name, ==, "PC-7.office");
  g_assert_cmpstr (request->uuid, ==, "7c1ff4a4-9f0b-4f3c-a7ec-6e6d0a3d0e11");
  g_assert_cmpuint (request->overlay_bytes, ==, 2147483648);
  g_assert_true (request->has_spill);
  g_assert_cmpuint (request->spill_bytes, ==, 0);
  g_assert_cmpuint (request->disks->len, ==, 3);

  const DesktopDisk *disk = request->disks->pdata[0];
  g_assert_cmpstr (disk->channel, ==, "production");
  g_assert_cmpuint (disk->version, ==, 0);
  disk = request->disks->pdata[1];
  g_assert_cmpstr (disk->target, ==, "vdb");
  g_assert_cmpstr (disk->image, ==, "a/c");
  g_assert_cmpstr (disk->channel, ==, "test");
  disk = request->disks->pdata[2];
  g_assert_null (disk->channel);
  g_assert_cmpuint (disk->version, ==, 5);
}

static void
test_sizes_left_out (void)
{
  g_autoptr (JsonNode) body = json_from_string (BODY (""), NULL);
  g_autoptr (DesktopRequest) request =
      desktop_request_parse ("x", json_node_get_object (body), NULL);

  g_assert_nonnull (request);
  g_assert_cmpuint (request->overlay_bytes, ==, 0);
  g_assert_false (request->has_spill);
  g_assert_null (request->directory);
}

static void
test_attachment (void)
{
  g_autoptr (JsonNode) body = json_from_string (BODY (", \"directory\": \"/srv/erp\""), NULL);
  g_autoptr (DesktopRequest) request =
      desktop_request_parse ("x", json_node_get_object (body), NULL);

  g_assert_nonnull (request);
  g_assert_cmpstr (request->directory, ==, "/srv/erp");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/desktop-request/bad", test_bad);
  g_test_add_func ("/desktop-request/too-many-disks", test_too_many_disks);
  g_test_add_func ("/desktop-request/good", test_good);
  g_test_add_func ("/desktop-request/sizes-left-out", test_sizes_left_out);
  g_test_add_func ("/desktop-request/attachment", test_attachment);
  return g_test_run ();
}
