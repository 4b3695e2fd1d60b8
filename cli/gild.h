// SPDX-License-Identifier: GPL-2.0-or-later
// What the verbs of gild share: options, output, and how they end.
#pragma once

#include <json-glib/json-glib.h>

#include "qcow-backing/config.h"
#include "qcow-backing/image-library.h"
#include "qcow-backing/progress.h"
#include "qcow-backing/publish.h"

typedef enum
{
  EXIT_DONE = 0,
  EXIT_FAILED = 1,
  EXIT_USAGE = 2,
  EXIT_NO = 3, // a check found something wrong
} ExitStatus;

/* A verb's state, filled in by verb_parse.  */
typedef struct
{
  const char *name;
  gboolean json;                // --json
  Config *config;               // from --config, or the usual place
  char *config_path;            // --config, absolute; NULL where it was not given
  gboolean is_config_installed; // the configuration is that of the installed services
  int argc;                     // what is left when options are read
  char **argv;
} Verb;

/* Read ARGV, whose first word is the verb, against OPTIONS and the options that all verbs have.
   ARGUMENTS and SUMMARY are for --help; there must be from MIN to MAX arguments.  Returns FALSE
   with *STATUS set when the program is to end: a help, or a usage error, which was printed.  */
gboolean verb_parse (Verb *verb, int argc, char **argv, const GOptionEntry *options,
                     const char *arguments, const char *summary, int min, int max,
                     ExitStatus *status);
void verb_clear (Verb *verb);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Verb, verb_clear)

/* Print ERROR once, to stderr, as "gild VERB: …"; returns EXIT_FAILED.  */
ExitStatus verb_fail (const Verb *verb, const GError *error);

/* The same for a usage error, with a hint at --help; returns EXIT_USAGE.  */
ExitStatus verb_usage (const Verb *verb, const GError *error);

/* Run the verb that ARGV begins with.  */
ExitStatus gild_run_verb (int argc, char **argv);

/* Open the images of VERB's configuration as the owner of the store, who this process is from then
 * on.  */
ImageLibrary *verb_open_library (const Verb *verb, GError **error);

/* A pass phrase: the first line of the file at PATH, or, where that is NULL, what the terminal is
   asked for, TWICE if it is a new one.  */
char *passphrase_read (const char *path, gboolean twice, GError **error);
void passphrase_free (char *passphrase); // wipes it

/* Have gildd and nbdkit run; *RUN says whether they do, since where systemd does not run, starting
   them is for the user, who is told.  */
gboolean services_start (const Verb *verb, gboolean *run, GError **error);

/* The hosts in ANSWER, gildd's to GET /hosts, or with NAME (may be NULL) that one of them; of Host
 *, owned by the caller.  */
GPtrArray *hosts_read (JsonObject *answer, const char *name, GError **error);

/* Print OBJECT to stdout, for --json.  */
void json_print_object (JsonObject *object);

/* Connections that qemu-nbd serves and workers that use them, where something is published: two
   more than cores, so that some can wait for data while the others compute.  */
#define PUBLISH_WORKERS (g_get_num_processors () + 2)

/* Print what was published by OPTIONS in SECONDS.  */
void publish_print (const Verb *verb, const PublishOptions *options, const PublishResult *result,
                    double seconds);

/* Progress on the terminal, if stderr is one: bytes, rate, time left.  Ctrl-C sets its `cancelled`.
 */
typedef struct TerminalProgress TerminalProgress;
TerminalProgress *terminal_progress_new (const char *what);
const Progress *terminal_progress_get (TerminalProgress *progress);
void terminal_progress_free (TerminalProgress *progress); // wipes the line
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TerminalProgress, terminal_progress_free)

/* The terminal that this process was started from, for a question; -1 where there is none.  */
int terminal_open (void);

/* Write all of TEXT to the terminal FD, if that can be.  */
void terminal_say (int fd, const char *text);

/* A table on stdout, its columns as wide as their contents.  */
typedef struct Table Table;
Table *table_new (const char *first_heading, ...) G_GNUC_NULL_TERMINATED;
void table_add (Table *table, const char *first_cell, ...) G_GNUC_NULL_TERMINATED;
void table_print (const Table *table);
void table_free (Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Table, table_free)

/* The verbs.  */
ExitStatus verb_attach (int argc, char **argv);
ExitStatus verb_capture (int argc, char **argv);
ExitStatus verb_check (int argc, char **argv);
ExitStatus verb_define (int argc, char **argv);
ExitStatus verb_desktops (int argc, char **argv);
ExitStatus verb_detach (int argc, char **argv);
ExitStatus verb_diff (int argc, char **argv);
ExitStatus verb_edit (int argc, char **argv);
ExitStatus verb_export (int argc, char **argv);
ExitStatus verb_fetch (int argc, char **argv);
ExitStatus verb_gc (int argc, char **argv);
ExitStatus verb_hosts (int argc, char **argv);
ExitStatus verb_images (int argc, char **argv);
ExitStatus verb_init (int argc, char **argv);
ExitStatus verb_invite (int argc, char **argv);
ExitStatus verb_join (int argc, char **argv);
ExitStatus verb_keep (int argc, char **argv);
ExitStatus verb_key (int argc, char **argv);
ExitStatus verb_mount (int argc, char **argv);
ExitStatus verb_nightly (int argc, char **argv);
ExitStatus verb_promote (int argc, char **argv);
ExitStatus verb_publish (int argc, char **argv);
ExitStatus verb_replica (int argc, char **argv);
ExitStatus verb_rollback (int argc, char **argv);
ExitStatus verb_serve (int argc, char **argv);
ExitStatus verb_spill (int argc, char **argv);
ExitStatus verb_status (int argc, char **argv);
ExitStatus verb_verify (int argc, char **argv);
