#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What goes wrong while a desktop runs pauses it, and never shows the guest an I/O error.
. "$(dirname "$0")/lib.sh"
needs jq
host_up

is_paused ()
{
    [ "$(virsh domstate "$1")" = paused ]
}

# goes_on NAME: resume until it stays up; the first request after a lost connection may pause it again.
goes_on ()
{
    is_paused "$1" && virsh -q resume "$1"
    guest_seconds=3 guest_lines "$1" '@end' 2>/dev/null
}

# disk_errors NAME: what the guest's kernel says of its disk.
disk_errors ()
{
    guest_run "$1" 'dmesg | grep -iE "i/o error|ext4-fs error|aborting" || echo none'
}

publish_golden ()
{
    gild publish demo/desktop "$guest_files/golden.qcow2" >/dev/null 2>&1
    desktop_attributes="overlay='48MiB'" template "target='vda' image='demo/desktop'" >"$tmp/template.xml"
    define pc1 "$tmp/template.xml"
}

publish_golden
virsh -q start pc1 >/dev/null
guest_up pc1

guest_start pc1 'head -c 80000000 /dev/zero | tr "\0" x >/mnt/vda/big; sync; sha256sum </mnt/vda/big; echo @end'
run_ok 'a full overlay pauses the desktop' wait_for 60 is_paused pc1
like 'for its I/O' "$(virsh domstate --reason pc1)" 'I/O error'
like 'gild desktops says so' "$(gild desktops)" 'pc1 .*paused'
run_ok 'when there is more room' mount -o remount,size=256M "$run/desktops/pc1"
run_ok 'it goes on' wait_for 60 goes_on pc1
is 'and has written every byte' "$(grep -o '[0-9a-f]\{64\}' "$tmp/pc1.console" | tail -n 1)" \
    "$(head -c 80000000 /dev/zero | tr '\0' x | sha256sum | cut -c -64)"
is 'the guest has seen no error' "$(disk_errors pc1)" none

# nbdkit dies, and is not started again at once; what the guest reads next is not in its memory.
guest_run pc1 'sync; echo 3 >/proc/sys/vm/drop_caches'
keeper=$(cat "$run/nbdkit.pid")
kill -STOP "$keeper"
kill -KILL "$(pgrep -P "$keeper")"
guest_start pc1 'sha256sum </mnt/vda/random; echo @end'
run_ok 'a lost image pauses the desktop' wait_for 30 is_paused pc1
kill -CONT "$keeper"
wait_for 10 test -S "$run/nbd.sock"
run_ok 'when it is back, it goes on' wait_for 60 goes_on pc1
is 'and has read every byte' "$(grep -o '[0-9a-f]\{64\}' "$tmp/pc1.console" | tail -n 1)" \
    "$(awk '$2 == "random" { print $1 }' "$guest_files/golden.sha256")"
is 'the guest has seen no error' "$(disk_errors pc1)" none

# Somebody kills QEMU.
kill -KILL "$(cat /run/libvirt/qemu/pc1.pid)"
run_ok 'QEMU is killed' wait_for 20 is_off pc1
wait_for 10 is_clean pc1 || :
leaves_nothing 'nothing of it is left' pc1
run_ok 'and it starts again' virsh start pc1

# The host loses its mains while gildd is away: a pin and a mount are left, and nothing runs.
stop_service gildd
virsh -q destroy pc1
start_services
wait_for 10 is_clean pc1 || :
leaves_nothing 'a desktop that ended while gildd was away leaves nothing' pc1
done_testing
