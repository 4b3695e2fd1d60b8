// SPDX-License-Identifier: GPL-2.0-or-later
// Where a night's page goes: STATE/nightly/DATE.txt, and the command that the configuration names.
#pragma once

#include "qcow-backing/config.h"

/* Put PAGE at the end of STATE/nightly/NIGHT.txt; of the files of other nights the newest 60 stay.
 */
gboolean nightly_output_save (const Config *config, const char *night, const char *page,
                              GError **error);

/* Run the configured command, in whose words "%s" stands for SUMMARY, with PAGE on its stdin.  TRUE
   where none is configured.  Its time is bounded; an error says what it said.  */
gboolean nightly_output_send (const Config *config, const char *summary, const char *page,
                              GError **error);
