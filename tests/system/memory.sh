#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What an overlay costs in RAM: a 4 KiB write costs 4 KiB and reads nothing, and TRIM gives back what it can.
. "$(dirname "$0")/lib.sh"
needs jq
host_up

used ()
{
    df --output=used -B 1 "$run/desktops/$1" | tail -n 1 | tr -d ' '
}

# golden_reads NAME: requests that QEMU has made to the image behind the overlay.
golden_reads ()
{
    virsh qemu-monitor-command "$1" '{"execute": "query-blockstats"}' | jq '[.return[].backing.stats.rd_operations // empty] | add'
}

given_back ()
{
    [ $((20 * ($(used pc1) - before))) -le $((full - before)) ]
}

# at_most DESCRIPTION VALUE LIMIT
at_most ()
{
    if [ "$2" -le "$3" ]; then
        ok "$1"
        diag "$2, at most $3"
    else
        not_ok "$1"
        diag "$2, and not at most $3"
    fi
}

gild publish demo/desktop "$guest_files/golden.qcow2" >/dev/null 2>&1
template "target='vda' image='demo/desktop'" >"$tmp/template.xml"
define pc1 "$tmp/template.xml"
virsh -q start pc1 >/dev/null
guest_up pc1
guest_run pc1 'rm /mnt/vda/random; fstrim /mnt/vda; sync' >/dev/null
before=$(used pc1)
guest_run pc1 'head -c 50000000 /dev/urandom >/mnt/vda/big; sync'
full=$(used pc1)
at_most 'what is written is in RAM' 50000000 $((full - before))
guest_run pc1 'rm /mnt/vda/big; sync; fstrim /mnt/vda'
wait_for 1 given_back || : # the guest's fstrim has come back already
after=$(used pc1)
at_most 'TRIM gives 95 % back' $((100 * (after - before))) $((5 * (full - before)))

# Here and there, all of them aligned, and none of it read before.
guest_run pc1 'umount /mnt/vda; echo 3 >/proc/sys/vm/drop_caches; blockdev --flushbufs /dev/vda'
readonly WRITES=1000
before=$(used pc1) reads=$(golden_reads pc1)
write="dd if=/dev/urandom of=/dev/vda bs=4096 count=1 seek=\$((i * 41)) conv=notrunc 2>/dev/null"
guest_seconds=120 guest_run pc1 "i=0; while [ \$i -lt $WRITES ]; do $write; i=\$((i + 1)); done; sync"
at_most "$WRITES writes of 4 KiB cost at most 1.15 times as much RAM" $((100 * ($(used pc1) - before))) $((115 * 4096 * WRITES))
at_most 'and are written, but for what the guest had touched before' $((95 * 4096 * WRITES)) $((100 * ($(used pc1) - before)))
is 'and read nothing of the golden image' "$(($(golden_reads pc1) - reads))" 0
virsh -q destroy pc1
done_testing
