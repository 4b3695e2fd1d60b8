#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What goes wrong while a desktop runs pauses it, and never shows the guest an I/O error.
. "$(dirname "$0")/lib.sh"
needs jq debugfs nbdinfo
host_up

# reads_on NAME: wait until the guest has read some MiB more.
reads_on ()
{
    local from
    from=$(bytes_read "$1")
    wait_for 30 has_read "$1" $((from + 4 * 1024 * 1024)) || not_ok "$1 reads on: $(gild desktops)"
}

has_read ()
{
    [ "$(bytes_read "$1")" -ge "$2" ]
}

bytes_read ()
{
    virsh domblkstat "$1" vda | awk '$2 == "rd_bytes" { print $3 }'
}

publish_golden ()
{
    gild publish demo/desktop "$guest_files/golden.qcow2" >/dev/null 2>&1
    desktop_attributes="overlay='48MiB' spill='0'" template "target='vda' image='demo/desktop'" >"$tmp/pc1.xml"
    define pc1 "$tmp/pc1.xml"
    desktop_attributes="overlay='32MiB'" template "target='vda' image='demo/desktop'" >"$tmp/pc2.xml"
    define pc2 "$tmp/pc2.xml"
}

# start NAME: and have nothing of its image in its memory.
start ()
{
    virsh -q start "$1" >/dev/null
    guest_up "$1"
    guest_run "$1" 'sync; echo 3 >/proc/sys/vm/drop_caches'
}

qemu-img convert -f qcow2 -O raw "$guest_files/golden.qcow2" "$tmp/golden.raw"
debugfs -R 'cat random' "$tmp/golden.raw" >"$tmp/random" 2>"$tmp/debugfs.log"
random_sum=$(awk '$2 == "random" { print $1 }' "$guest_files/golden.sha256")
publish_golden
start pc1

guest_start pc1 'head -c 80000000 /dev/zero | tr "\0" x >/mnt/vda/big; sync; sha256sum </mnt/vda/big; echo @end'
run_ok 'a full overlay pauses the desktop' wait_for 60 is_paused pc1
like 'for its I/O' "$(virsh domstate --reason pc1)" 'I/O error'
like 'gild desktops says so' "$(gild desktops)" 'pc1 .*paused'
run_ok 'when there is more room' mount -o remount,size=256M "$run/desktops/pc1"
is 'it goes on by itself and has written every byte' "$(checksum_said pc1)" "$(head -c 80000000 /dev/zero | tr '\0' x | sha256sum | cut -c -64)"
is 'the guest has seen no error' "$(disk_errors pc1)" none

# nbdkit dies, and is not started again at once; what the guest reads next is not in its memory.
guest_run pc1 'sync; echo 3 >/proc/sys/vm/drop_caches'
keeper=$(cat "$run/nbdkit.pid")
kill -STOP "$keeper"
kill_service nbdkit
guest_start pc1 'sha256sum </mnt/vda/random; echo @end'
run_ok 'a lost image pauses the desktop' wait_for 30 is_paused pc1
run_ok 'gild desktops says why' wait_for 10 is_in_condition pc1 nbdkit-lost
[ "$status" = 0 ] || diag "$(gild desktops 2>&1)"
kill -CONT "$keeper"
is 'when it is back, it goes on by itself and has read every byte' "$(checksum_said pc1)" "$random_sum"
is 'the guest has seen no error' "$(disk_errors pc1)" none

# gildd is away while nbdkit dies, and comes back later.
guest_run pc1 'sync; echo 3 >/proc/sys/vm/drop_caches'
stop_service gildd
kill_service nbdkit
guest_start pc1 'sha256sum </mnt/vda/random; echo @end'
run_ok 'nbdkit dies while gildd is away' wait_for 30 is_paused pc1
start_services
is 'a new gildd lets the desktop go on' "$(checksum_said pc1)" "$random_sum"
is 'the guest has seen no error' "$(disk_errors pc1)" none

# All of it in one run, while a guest writes past its cap and reads its image.
start pc2
guest_start pc2 'for i in $(seq 18); do cat /mnt/vda/random; echo 3 >/proc/sys/vm/drop_caches; done >/mnt/vda/big; sync; while [ ! -e /stop ]; do cat /mnt/vda/random >/dev/null; echo 3 >/proc/sys/vm/drop_caches; done; sha256sum </mnt/vda/big; echo @end'
for round in 1 2 3; do
    kill_service nbdkit
    reads_on pc2
    kill_service gildd
    reads_on pc2
    kill_libvirtd
    reads_on pc2
done
guest_tell pc2 0 'touch /stop'
is 'a guest that writes past its cap survives the kills of nbdkit, gildd and libvirtd' "$(guest_seconds=120 checksum_said pc2)" \
    "$(for i in $(seq 18); do cat "$tmp/random"; done | sha256sum | cut -c -64)"
run_ok 'it has spilled' wait_for 30 is_in_condition pc2 spilled
is 'the guest has seen no error' "$(disk_errors pc2)" none
virsh -q destroy pc2

# Also what keeps nbdkit up has children that die.
for round in $(seq 60); do
    kill_service nbdkit
    sleep 0.03
done
run_ok 'nbdkit comes back however often it and what starts it is killed' \
    wait_for 10 nbdinfo --size "nbd+unix:///demo/desktop@1?socket=$run/nbd.sock"

# Somebody kills QEMU.
kill -KILL "$(cat /run/libvirt/qemu/pc1.pid)"
run_ok 'QEMU is killed' wait_for 20 is_off pc1
leaves_nothing 'nothing of it is left' pc1
run_ok 'and it starts again' virsh start pc1

# The host loses its mains while gildd is away: a pin and a mount are left, and nothing runs.
stop_service gildd
virsh -q destroy pc1
start_services
leaves_nothing 'a desktop that ended while gildd was away leaves nothing' pc1
done_testing
