// SPDX-License-Identifier: GPL-2.0-or-later
// gild key: carry what makes a host a publisher to another one.

#include "gild.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "network/host-certificate.h"
#include "network/key-file.h"
#include "network/publisher-keys.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/file-write.h"

static void
wipe (char *text)
{
  if (text)
    gnutls_memset (text, 0, strlen (text));
  g_free (text);
}

/* Write TEXT to PATH, which is not there yet.  */
static gboolean
write_new (const char *path, const char *text, GError **error)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

  return file_write_and_close (fd, text, strlen (text)) || fail_errno (error, "write %s", path);
}

static gboolean export(const Verb *verb, const char *passphrase, GError **error)
{
  char *keys = publisher_keys_collect (verb->config, error);
  g_autofree char *sealed = keys ? key_file_seal (keys, strlen (keys), passphrase, error) : NULL;

  wipe (keys);
  return sealed && write_new (verb->argv[1], sealed, error);
}

static gboolean
import (const Verb *verb, const char *passphrase, const char *name, GError **error)
{
  const char *path = verb->argv[1];
  gsize size, keys_size;
  g_autofree char *sealed = file_read (path, KEY_FILE_SIZE_MAX, &size, error);

  if (!sealed)
    return FALSE;
  g_autoptr (KeyFile) file = key_file_parse (sealed, size, error);
  char *keys = file ? key_file_open (file, passphrase, &keys_size, error) : NULL;
  gboolean ok = keys && publisher_keys_install (verb->config, keys, keys_size, name, error);
  if (keys)
    gnutls_memset (keys, 0, keys_size);
  g_free (keys);
  if (!ok)
    g_prefix_error (error, "%s: ", path);
  return ok;
}

static void
print_result (const Verb *verb, gboolean is_export)
{
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, is_export ? "exported" : "imported", verb->argv[1]);
  if (verb->json)
    json_print_object (object);
  else if (is_export)
    printf ("%s has the keys of the site: keep it as safe as its pass phrase\n", verb->argv[1]);
  else
    printf ("this host is a publisher of the site\n");
}

/* Do it, the arguments being right.  */
static ExitStatus
run (const Verb *verb, gboolean is_export, const char *passphrase_path, const char *name)
{
  g_autoptr (GError) error = NULL;
  char *passphrase = passphrase_read (passphrase_path, is_export, &error);
  gboolean ok =
      passphrase
      && (is_export ? export(verb, passphrase, &error) : import (verb, passphrase, name, &error));

  passphrase_free (passphrase);
  if (!ok)
    return verb_fail (verb, error);
  print_result (verb, is_export);
  return EXIT_DONE;
}

ExitStatus
verb_key (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autofree char *passphrase_path = NULL, *name = NULL;
  const GOptionEntry options[] = {
    { "name", 0, 0, G_OPTION_ARG_STRING, &name,
      "Call this host NAME, if it belongs to no site yet [its hostname]", "NAME" },
    { "passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &passphrase_path,
      "The pass phrase is the first line of FILE [asked for at the terminal]", "FILE" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "export|import FILE",
          "Make another host a publisher: `gild key export FILE` on one that is writes the keys of the site to\n"
          "FILE, which a pass phrase protects; `gild key import FILE` on the other takes them in.",
          2, 2, &status))
    return status;
  gboolean is_export = g_str_equal (verb.argv[0], "export");
  if (!is_export && !g_str_equal (verb.argv[0], "import"))
    {
      fail (&error, "'%s' is neither export nor import", verb.argv[0]);
      return verb_usage (&verb, error);
    }
  if (!name)
    name = host_name_default ();
  if (!host_name_check (name, &error))
    return verb_usage (&verb, error);
  return run (&verb, is_export, passphrase_path, name);
}
