// SPDX-License-Identifier: GPL-2.0-or-later
// gild: the command line. Finds the verb, and lets it do the rest.

#include "gild.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct
{
  const char *name;
  ExitStatus (*run) (int argc, char **argv);
  const char *summary;
} VERBS[] = {
  { "attach", verb_attach, "make an image a drive of this host; writes go to RAM" },
  { "capture", verb_capture, "make the next version of an image from a desktop" },
  { "check", verb_check, "boot a version in a throw-away VM: does it come up?" },
  { "define", verb_define, "define a desktop in libvirt from a template" },
  { "desktops", verb_desktops, "list desktops, what they run and how full their overlays are" },
  { "detach", verb_detach, "end that, and throw the writes away" },
  { "diff", verb_diff, "say how two versions differ" },
  { "edit", verb_edit, "change a private copy of an image, and publish what has changed" },
  { "export", verb_export, "write a version to a qcow2 file" },
  { "fetch", verb_fetch, "have all of a version on this host, so that it boots offline" },
  { "gc", verb_gc, "remove versions and chunks that nobody needs" },
  { "hosts", verb_hosts, "list the hosts of the site, or shut one out" },
  { "images", verb_images, "list images and their versions" },
  { "init", verb_init, "found a site: its keys, and this host as its publisher" },
  { "invite", verb_invite, "print a token that lets another PC join the site" },
  { "join", verb_join, "enter a site with such a token" },
  { "keep", verb_keep, "keep what a desktop writes when it is shut down" },
  { "key", verb_key, "carry the keys of the site to another publisher" },
  { "mount", verb_mount, "mount the copy's file system, in the command of gild edit" },
  { "nightly", verb_nightly, "update images by their scripts: edit, check, promote, report" },
  { "promote", verb_promote, "have a channel name a version" },
  { "publish", verb_publish, "make the next version of an image from a disk image file" },
  { "replica", verb_replica, "have this host keep whole images for the others" },
  { "rollback", verb_rollback, "have a channel name an earlier version again" },
  { "serve", verb_serve, "serve images over NBD with TLS" },
  { "spill", verb_spill, "set how much of the disk a running desktop may use" },
  { "status", verb_status, "show what gildd says of this host" },
  { "verify", verb_verify, "check every byte of every version, and mend" },
};

static void
print_help (FILE *out)
{
  fprintf (out, "Usage: gild VERB [OPTION...] [ARGUMENT...]\n\n"
                "Golden disk images for the desktops of an office.\n\nVerbs:\n");
  for (gsize i = 0; i < G_N_ELEMENTS (VERBS); i++)
    fprintf (out, "  %-10s %s\n", VERBS[i].name, VERBS[i].summary);
  fprintf (out, "\nOptions:\n"
                "  -h, --help  show this help; `gild VERB --help` shows a verb's\n"
                "  --version   show the version\n\n"
                "See gild(1).\n");
}

/* Notes of the library, such as "waiting for ...": not results, so to stderr.  */
static void
print_message (const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
  fprintf (stderr, "gild: %s\n", message);
}

ExitStatus
gild_run_verb (int argc, char **argv)
{
  for (gsize i = 0; i < G_N_ELEMENTS (VERBS); i++)
    if (g_str_equal (argv[0], VERBS[i].name))
      return VERBS[i].run (argc, argv);
  fprintf (stderr, "gild: '%s' is not a verb of gild; `gild --help` lists them\n", argv[0]);
  return EXIT_USAGE;
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  umask (0022); // what gildd and nbdkit have to read must not depend on the caller's
  g_set_prgname ("gild");
  g_log_set_handler (G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO, print_message, NULL);
  if (argc < 2)
    {
      print_help (stderr);
      return EXIT_USAGE;
    }
  if (g_str_equal (argv[1], "--help") || g_str_equal (argv[1], "-h")
      || g_str_equal (argv[1], "help"))
    {
      print_help (stdout);
      return EXIT_DONE;
    }
  if (g_str_equal (argv[1], "--version"))
    {
      puts ("gild " PACKAGE_VERSION);
      return EXIT_DONE;
    }
  return gild_run_verb (argc - 1, argv + 1);
}
