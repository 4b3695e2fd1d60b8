#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The store's disk loses data below a running desktop: it pauses, reads nothing wrong, and goes on when all is back.
. "$(dirname "$0")/lib.sh"
needs jq
host_up

count_damaged ()
{
    gild status --json | jq .damaged
}

is_noticed ()
{
    [ "$(count_damaged)" -gt 0 ]
}

gild publish demo/desktop "$guest_files/golden.qcow2" >/dev/null 2>&1
template "target='vda' image='demo/desktop'" >"$tmp/template.xml"
define pc1 "$tmp/template.xml"
virsh -q start pc1 >/dev/null
guest_up pc1

# What does not compress is the file that the guest has not read yet.
damaged=0
while read -r file; do
    flip "$file" 3000
    damaged=$((damaged + 1))
done < <(find "$state/store.castr" -name '*.cacnk' -size +63k | sort)
run_ok 'many chunks are damaged' test "$damaged" -gt 100
guest_start pc1 'sha256sum </mnt/vda/random; echo @end'
run_ok 'the desktop pauses' wait_for 60 is_paused pc1
run_ok 'gild desktops says why' wait_for 20 is_in_condition pc1 image-lost
run_ok 'gildd has set chunks aside' wait_for 20 is_noticed
like 'gild status says so' "$(gild status)" '^damaged: +[0-9]+ chunks? set aside; run `gild verify --repair`'
like 'and the log' "$(cat "$run/gildd.log")" 'was damaged and is set aside: `gild verify --repair` says'
run gild verify --repair
is 'repair says no' "$status" 3
like 'and what to do' "$(cat "$tmp/stdout")" "^demo/desktop@1 lacks $damaged chunks: publish the same file again"
is 'all of them are set aside' "$(count_damaged)" "$damaged"
is 'owned by gild' "$(find "$state/store.castr/.damaged" ! -user gild)" ''
run_ok 'the same file is published again' gild publish demo/desktop "$guest_files/golden.qcow2"
is 'the desktop goes on by itself and has read every byte right' "$(checksum_said pc1)" \
    "$(awk '$2 == "random" { print $1 }' "$guest_files/golden.sha256")"
is 'the guest has seen no error' "$(disk_errors pc1)" none
is 'nothing is missing any more' "$(count_damaged)" 0
run_ok 'all is whole' gild verify
run_ok 'gc' gild gc
is 'takes what was set aside' "$(find "$state/store.castr" -name .damaged)" ''
guest_down pc1
done_testing
