// SPDX-License-Identifier: GPL-2.0-or-later
// One check: a VM is started, heard, and judged.
#pragma once

#include "daemon/libvirt-connection.h"
#include "qcow-backing/check-results.h"

/* What names of a check's VMs begin with; its ID follows (check_directory_id).  */
#define CHECK_DOMAIN_PREFIX "gild-check-"

/* Files in the check's directory, and beside its result.  */
#define CHECK_CONSOLE_FILE "console.log"

typedef struct
{
  const char *image;
  guint version;
  const char *xml;    // of the VM, from transient_xml
  const char *domain; // its name
  // What says that it is up, one of them; none is the agent, or a login prompt on the console.
  gboolean agent;     // its guest agent
  const char *ready;  // this text on the console
  const char *script; // this program
  guint timeout_seconds;
} CheckPlan;

typedef enum
{
  CHECK_COULD_NOT,
  CHECK_NOT_UP,
  CHECK_UP,
} CheckVerdict;

typedef struct
{
  CheckVerdict verdict;
  char *reason; // why, without a full stop
  double seconds;
  char *screenshot; // the name of a file in the check's directory; NULL: none
} CheckOutcome;

void check_outcome_clear (CheckOutcome *outcome);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CheckOutcome, check_outcome_clear)

/* Try PLAN, keeping what there is to see in DIRECTORY.  CONNECTION is one of
   libvirt_connect_for_events.  Nothing of the VM is left when this returns, or this process is
   killed.  */
CheckOutcome check_run (const CheckPlan *plan, virConnectPtr connection,
                        const CheckDirectory *directory);

/* Destroy the VMs of checks that do not run: those that a libvirtd which was killed forgot.  */
gboolean check_run_sweep (const Config *config, virConnectPtr connection, GError **error);
