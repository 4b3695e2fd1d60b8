// SPDX-License-Identifier: GPL-2.0-or-later
// What gild edit prints where there is no new version.
#pragma once

#include "gild.h"

/* Each for an edit by OPTIONS.  Nothing was changed; COMMAND, what argv[0] says, ended with STATUS;
   nobody wanted it published.  */
void edit_report_unchanged (const Verb *verb, const PublishOptions *options);
void edit_report_failed (const Verb *verb, const PublishOptions *options, const char *command,
                         int status);
void edit_report_unwanted (const Verb *verb, const PublishOptions *options);
