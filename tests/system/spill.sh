#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A desktop writes more than its RAM overlay takes: it goes on on disk, and nothing of that outlives it.
. "$(dirname "$0")/lib.sh"
needs jq mke2fs strace
host_up

readonly MIB=$((1024 * 1024))

# A golden disk with room for more than its desktops' overlays.
make_golden ()
{
    mkdir "$tmp/golden"
    head -c 8M /dev/urandom >"$tmp/golden/random"
    truncate -s 1600M "$tmp/golden.raw"
    mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0 -O ^has_journal \
        -d "$tmp/golden" "$tmp/golden.raw"
    gild publish demo/desktop "$tmp/golden.raw" >/dev/null 2>&1
    rm "$tmp/golden.raw"
}

# new_desktop NAME ATTRIBUTES: define and start it.
new_desktop ()
{
    desktop_attributes=$2 template "target='vda' image='demo/desktop'" >"$tmp/$1.template"
    define "$1" "$tmp/$1.template"
    virsh dumpxml --inactive --security-info "$1" >"$tmp/$1.before"
    cp "/etc/libvirt/qemu/$1.xml" "$tmp/$1.file"
    virsh -q start "$1" >/dev/null
    guest_up "$1"
}

# definition_is_kept DESCRIPTION NAME
definition_is_kept ()
{
    is "$1: the persistent definition is byte for byte what it was" \
        "$(virsh dumpxml --inactive --security-info "$2" | cmp - "$tmp/$2.before" && cmp "/etc/libvirt/qemu/$2.xml" "$tmp/$2.file" && echo same)" same
}

# reaches DESCRIPTION NAME CONDITION
reaches ()
{
    run_ok "$1" wait_for 60 is_in_condition "$2" "$3"
    [ "$status" = 0 ] || diag "$(condition "$2"), $(notice "$2"), $(tail -n 5 "$run/gildd.log")"
}

# says NAME REGEX: in what gildd says of it.
says ()
{
    notice "$1" | grep -E "$2"
}

# write_copies FILE N: the guest's command that writes the 8 MiB of random data N times.
write_copies ()
{
    echo "for i in \$(seq $2); do cat /mnt/vda/random; done >/mnt/vda/$1; sync"
}

# checksum_of_copies N
checksum_of_copies ()
{
    local i
    for ((i = 0; i < $1; i++)); do
        cat "$tmp/golden/random"
    done | md5sum | cut -c -32
}

used ()
{
    df --output=used -B 1 "$run/desktops/$1" | tail -n 1 | tr -d ' '
}

spilled ()
{
    du -sB 1 "$state/spill/$1" | cut -f 1
}

# pauses NAME: milliseconds in which it was paused, from libvirt's events.
pauses ()
{
    awk -v name="'$1'" '
        function ms(time, part) { split (time, part, /[:.+]/); return ((part[1] * 60 + part[2]) * 60 + part[3]) * 1000 + part[4] }
        $0 !~ name { next }
        /Suspended/ { from = ms($2) }
        /Resumed/ { if (from) sum += ms($2) - from; from = 0 }
        END { print sum + 0 }' "$tmp/events"
}

# So fast that gildd may find the overlay full when it first looks: then it says that, and no more that it was half full.
test_full_speed ()
{
    new_desktop pc1 "overlay='256MiB'"
    stdbuf -oL virsh event --event lifecycle --loop --timestamp >"$tmp/events" 2>&1 &
    stop_at_exit $!
    guest_seconds=180 guest_run pc1 "$(write_copies big 128)"
    is 'a guest writes 1 GiB over an overlay of 256 MiB' "$(guest_seconds=180 guest_run pc1 'md5sum </mnt/vda/big' | cut -c -32)" \
        "$(checksum_of_copies 128)"
    is 'and has seen no error' "$(disk_errors pc1)" none
    is 'it has spilled' "$(condition pc1)" spilled
    like 'which gild desktops says' "$(gild desktops)" '^pc1: it writes to disk'
    run_ok 'its RAM has stayed below the cap' test "$(used pc1)" -le $((256 * MIB))
    definition_is_kept 'while it runs' pc1
    diag "it was paused for $(pauses pc1) ms in all"
    like 'gildd has warned that it was nearly full' "$(cat "$run/gildd.log")" 'pc1: its overlay is nearly full'

    guest_run pc1 'rm /mnt/vda/big; fstrim /mnt/vda; sync'
    run_ok 'TRIM gives the disk space back' test "$(spilled pc1)" -le $((16 * MIB))
}

test_restarts ()
{
    stop_service gildd
    kill_libvirtd
    start_services
    reaches 'a new gildd knows that it has spilled' pc1 spilled
    definition_is_kept 'after libvirtd was killed' pc1
    guest_down pc1
    leaves_nothing 'at its end nothing is left' pc1
    is 'nor on disk' "$(ls -A "$state/spill")" ''
    definition_is_kept 'and' pc1
    run_ok 'it starts again' virsh start pc1
    virsh -q destroy pc1
}

# Without spilling it is paused when it is full, until it is allowed to.
test_not_allowed ()
{
    new_desktop pc2 "overlay='48MiB' spill='0'"
    guest_start pc2 "$(write_copies big 10); md5sum </mnt/vda/big; echo @end"
    reaches 'a desktop that may not spill is paused' pc2 full
    like 'gild desktops says what to do' "$(gild desktops)" '^pc2: paused.*gild spill pc2 --size'
    is 'nothing is on disk' "$(ls -A "$state/spill")" ''
    run_ok 'gild spill allows it' gild spill pc2 --size 1GiB
    is 'and it goes on, every byte right' "$(checksum_said pc2)" "$(checksum_of_copies 10)"
    is 'it has spilled' "$(condition pc2)" spilled
    is 'the guest has seen no error' "$(disk_errors pc2)" none

    run_ok 'less than it has spilled' gild spill pc2 --size 1MiB
    reaches 'holds it' pc2 full
    is 'it is paused' "$(virsh domstate pc2)" paused
    kill_service gildd
    reaches 'a new gildd knows that it is held' pc2 full
    run_ok 'more' gild spill pc2 --size 2GiB
    reaches 'lets it go on' pc2 spilled
    guest_run pc2 'md5sum </mnt/vda/big' >"$tmp/sum"
    is 'with the same bytes' "$(cut -c -32 "$tmp/sum")" "$(checksum_of_copies 10)"
    virsh -q suspend pc2
    gild spill pc2 --size 3GiB >/dev/null
    is 'one that a person has paused stays so' "$(virsh domstate pc2)" paused
    virsh -q destroy pc2
    run_fails 'a desktop that does not run' 1 'no desktop pc2 that runs' gild spill pc2 --size 1GiB
}

# The last tenth of the disk is left; when there is room again it goes on by itself.
test_disk_nearly_full ()
{
    mount -t tmpfs -o size=600M,mode=711,uid=gild,gid=gild gild-test "$state/spill"
    head -c 500M /dev/zero >"$state/spill/.ballast"
    new_desktop pc3 "overlay='48MiB'"
    guest_start pc3 "$(write_copies big 13); md5sum </mnt/vda/big; echo @end"
    run_ok 'a desktop that comes to the last tenth of the disk is paused, and gild desktops says why' \
        wait_for 60 says pc3 'paused.*last tenth'
    is 'it is' "$(virsh domstate pc3)" paused
    run_ok 'the disk is not full' test "$(df --output=avail -B 1 "$state/spill" | tail -n 1)" -ge $((30 * MIB))
    rm "$state/spill/.ballast"
    is 'with more room it goes on, every byte right' "$(checksum_said pc3)" "$(checksum_of_copies 13)"
    is 'the guest has seen no error' "$(disk_errors pc3)" none
    virsh -q destroy pc3
    umount "$state/spill"
}

# gildd was away while it filled, and died between the two steps of a spill before.
test_gildd_away ()
{
    new_desktop pc4 "overlay='48MiB'"
    stop_service gildd
    guest_start pc4 "$(write_copies big 10); md5sum </mnt/vda/big; echo @end"
    wait_for 60 is_paused pc4 || :
    like 'without gildd a full overlay pauses the desktop' "$(virsh domstate --reason pc4)" 'paused.*I/O error'
    start_services
    is 'gildd comes and it goes on, every byte right' "$(checksum_said pc4)" "$(checksum_of_copies 10)"
    is 'the guest has seen no error' "$(disk_errors pc4)" none
    virsh -q destroy pc4

    new_desktop pc5 "overlay='48MiB'"
    stop_service gildd
    spill_by_hand pc5
    run_ok 'a definition that was left with the overlay on disk' grep -q "$state/spill" /etc/libvirt/qemu/pc5.xml
    start_services
    reaches 'is seen by a new gildd' pc5 spilled
    definition_is_kept 'and put right' pc5
    stop_service gildd
    kill -KILL "$(cat /run/libvirt/qemu/pc5.pid)"
    wait_for 20 is_off pc5
    install -d -o gild -g gild "$state/spill/gone"
    touch "$state/spill/gone/vda.qcow2"
    start_services
    run_ok 'what desktops have left on disk that are gone' wait_for 10 test ! -e "$state/spill/gone"
    run_ok 'of both' wait_for 10 test ! -e "$state/spill/pc5"
}

# spill_by_hand NAME: what gildd does, but for the last step.
spill_by_hand ()
{
    install -d -o gild -g gild -m 711 "$state/spill/$1"
    qemu-img create -q -u -f qcow2 -o cluster_size=64k,extended_l2=on -F qcow2 -b "$run/desktops/$1/vda.qcow2" \
        "$state/spill/$1/vda.qcow2" 1600M
    virsh -q snapshot-create-as "$1" --disk-only --no-metadata --atomic --reuse-external \
        --diskspec "vda,snapshot=external,file=$state/spill/$1/vda.qcow2"
}

# looked_at N: gildd has looked so often at how full pc6's overlay is.
looked_at ()
{
    [ "$(grep -c "statfs(\"$run/desktops/pc6\"" "$tmp/looks")" -ge "$1" ]
}

# One whose overlay is half full is looked at every two seconds, for as long as it runs.
test_half_full ()
{
    local tracer
    new_desktop pc6 "overlay='64MiB'"
    guest_run pc6 "$(write_copies copy 5)"
    reaches 'a desktop that has filled half of its overlay' pc6 half-full
    like 'which gildd has warned of' "$(cat "$run/gildd.log")" 'pc6: its overlay is half full .*; at 85 % it goes on on disk'
    unlike 'and of no more' "$(cat "$run/gildd.log")" 'pc6: its overlay is nearly full'
    strace -f -qq -e trace=statfs,write -o "$tmp/looks" -p "$(child_of gildd)" &
    tracer=$!
    run_ok 'it is looked at' wait_for 10 looked_at 3
    stop "$tracer"
    is 'and libvirt is not asked about it without an event' "$(grep -c 'write(.* \\0\\200\\206' "$tmp/looks")" 0
    virsh -q suspend pc6
    virsh -q resume pc6
    guest_run pc6 "$(write_copies more 3)"
    reaches 'it goes on on disk when it is nearly full' pc6 spilled
    like 'which gildd has warned of too' "$(cat "$run/gildd.log")" 'pc6: its overlay is nearly full'
    virsh -q destroy pc6
}

make_golden
test_half_full
test_full_speed
test_restarts
test_not_allowed
test_disk_nearly_full
test_gildd_away
done_testing
