#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From a desktop to an image: while it runs, after it has spilled, and what was kept of it when it was shut down.
. "$(dirname "$0")/lib.sh"
needs jq mke2fs e2fsck debugfs
host_up

readonly MIB=$((1024 * 1024))

make_golden ()
{
    mkdir "$tmp/golden"
    head -c 4M /dev/urandom >"$tmp/golden/random"
    truncate -s 400M "$tmp/golden.raw"
    mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0 -d "$tmp/golden" "$tmp/golden.raw"
    gild publish demo/desktop "$tmp/golden.raw" >/dev/null 2>&1
    rm "$tmp/golden.raw"
}

# new_desktop NAME ATTRIBUTES [DISK…]: define and start it.
new_desktop ()
{
    local name=$1
    desktop_attributes=$2
    shift 2
    [ $# -gt 0 ] || set -- "target='vda' image='demo/desktop'"
    template "$@" >"$tmp/$name.template"
    define "$name" "$tmp/$name.template"
    virsh dumpxml --inactive --security-info "$name" >"$tmp/$name.before"
    cp "/etc/libvirt/qemu/$name.xml" "$tmp/$name.file"
    start "$name"
}

start ()
{
    virsh -q start "$1" >/dev/null
    guest_up "$1"
}

definition_is_kept ()
{
    is "$1: the persistent definition is byte for byte what it was" \
        "$(virsh dumpxml --inactive --security-info "$2" | cmp - "$tmp/$2.before" && cmp "/etc/libvirt/qemu/$2.xml" "$tmp/$2.file" && echo same)" same
}

# export IMAGE@VERSION: its disk to $tmp/disk.raw.
export_disk ()
{
    rm -f "$tmp/disk.qcow2" "$tmp/disk.raw"
    gild export "$1" "$tmp/disk.qcow2" >/dev/null 2>&1
    qemu-img convert -f qcow2 -O raw "$tmp/disk.qcow2" "$tmp/disk.raw"
}

# file_in FILE: what the exported disk has in it, its journal replayed.
file_in ()
{
    debugfs -R "cat /$1" "$tmp/disk.raw" 2>/dev/null
}

# consistent DESCRIPTION: the exported disk is one that a kernel mounts.
consistent ()
{
    e2fsck -fy "$tmp/disk.raw" >"$tmp/fsck" 2>&1 || :
    run_ok "$1" e2fsck -fn "$tmp/disk.raw"
}

parent_of ()
{
    jq .parent "$state/images/$1/$2.json"
}

# What is asked for in vain changes nothing.
test_bad_input ()
{
    run_fails 'no such desktop' 1 'knows no domain nobody' gild capture nobody demo/new
    run_fails 'a name that no desktop has' 2 '' gild capture ../x demo/new
    run_fails 'a name that no image has' 2 'is not an image' gild capture pc1 ../x
    run_fails 'a note that is too long' 2 'note' gild capture pc1 demo/new --note "$(head -c 5000 /dev/zero | tr '\0' x)"
    run_fails 'no such disk' 1 'pc1 has no disk vdz.*vda' gild capture pc1 demo/new --target vdz
    run_fails 'keep of one that does not run' 1 'no desktop nobody that runs' gild keep nobody
    run_fails 'a drop of nothing' 1 'nothing is kept of pc1' gild keep --drop pc1
    sed -e '/<metadata>/,/<\/metadata>/d' -e '/<disk /,/<\/disk>/d' -e 's/template/other/' "$tmp/pc1.template" >"$tmp/other.xml"
    virsh -q define "$tmp/other.xml" >/dev/null
    run_fails 'a domain that is not gild'\''s' 1 'other is no desktop of gild' gild capture other demo/new
    is 'and nothing has come of it' "$(gild images --json | jq -r '.images | length') $(ls -A "$state/spill")" '1 '
}

test_running ()
{
    guest_run pc1 'echo set up >/mnt/vda/setup; head -c 3145728 /mnt/vda/random >/mnt/vda/copy; sync'
    guest_start pc1 'while [ ! -e /mnt/vda/stop ]; do cat /mnt/vda/random >/mnt/vda/busy; done'
    run_ok 'a desktop that writes is captured' gild capture pc1 demo/desktop --note 'set up' --json
    diag "$(tr -d '\n' <"$tmp/stdout")"
    is 'as the next version' "$(jq -r '"\(.image)@\(.version) \(.parent)"' "$tmp/stdout")" 'demo/desktop@2 1'
    is 'only what it has written is read' "$(jq '.new_size < 300 * 1024 * 1024' "$tmp/stdout")" true
    like 'without an agent the copy is as after a power cut' "$(cat "$tmp/stderr")" 'as after a power cut'
    is 'its parent is what the desktop booted' "$(parent_of demo/desktop 2)" 1
    is 'its history says how it came' "$(gild images demo/desktop --history --json | jq -r '.history[-1].action')" capture
    definition_is_kept 'while it runs' pc1
    is 'it runs on' "$(virsh domstate pc1)" running
    is 'to disk' "$(wait_for 10 is_in_condition pc1 spilled; condition pc1)" spilled
    export_disk demo/desktop@2
    consistent 'its file system is consistent'
    is 'and has what was written' "$(file_in setup)" 'set up'
    is 'every byte' "$(file_in copy | md5sum)" "$(head -c 3M "$tmp/golden/random" | md5sum)"
    guest_run pc1 'touch /mnt/vda/stop; sync'
    is 'the guest has seen no error' "$(disk_errors pc1)" none
}

test_spilled ()
{
    guest_run pc1 'echo more >/mnt/vda/more; sync'
    run_ok 'one that has spilled, as a new image' gild capture pc1 demo/other --json
    is 'without a parent' "$(jq -r '"\(.image)@\(.version) \(.parent)"' "$tmp/stdout")" 'demo/other@1 null'
    definition_is_kept 'after two layers' pc1
    guest_run pc1 'echo later >/mnt/vda/later; sync'
    export_disk demo/other@1
    consistent 'its file system is consistent'
    is 'and has all layers' "$(file_in setup) $(file_in more)" 'set up more'
    is 'but what came later' "$(file_in later)" ''
    kill_service gildd
    wait_for 20 is_in_condition pc1 spilled || :
    is 'a new gildd follows it' "$(condition pc1)" spilled
}

# The version boots.
test_boots ()
{
    new_desktop pc2 "overlay='64MiB'" "target='vda' image='demo/other'"
    is 'a desktop boots what was captured' "$(guest_run pc2 'cat /mnt/vda/setup /mnt/vda/more' | tr '\n' ' ')" 'set up more '
    virsh -q destroy pc2
    guest_forget pc2
}

# From here on what pc1 writes is kept once: three layers of it.
test_kept ()
{
    local sum
    run_ok 'a desktop is to be kept' gild keep pc1
    run_ok 'as has been said' gild keep pc1
    kill_service gildd
    wait_for 20 gild status || :
    is 'a new gildd knows that' "$(kept_mark pc1)" true
    guest_run pc1 'echo kept >/mnt/vda/kept; head -c 8388608 /dev/urandom >/mnt/vda/noise; sync'
    sum=$(guest_run pc1 'md5sum </mnt/vda/noise' | cut -c -32)
    shut_down_timed pc1
    leaves_nothing 'when it is shut down nothing is left' pc1
    is 'nor in the spill directory' "$(ls -A "$state/spill")" ''
    is 'but its three layers are kept' "$(ls "$state/kept/pc1" | tr '\n' ' ')" \
        'pin.json vda.0.qcow2 vda.1.qcow2 vda.2.qcow2 '
    is 'which are root'\''s' "$(stat -c '%U %a' "$state/kept/pc1/vda.0.qcow2")" 'root 600'
    like 'gild desktops says what to do' "$(gild desktops)" '^pc1: .* is kept .*gild capture pc1 IMAGE'
    definition_is_kept 'after that' pc1

    start pc1
    is 'its next start is golden' "$(guest_run pc1 'ls /mnt/vda/kept 2>&1; cat /mnt/vda/setup' | tail -n 1)" 'set up'
    run_fails 'it is kept once' 1 'something is kept of pc1.*gild capture.*--drop' gild keep pc1
    virsh -q destroy pc1
    guest_forget pc1
    wait_for 10 is_clean pc1 || :

    reboot
    is 'after a reboot of the host it is still kept' "$(gild desktops --json | jq -r '.desktops[] | select(.name == "pc1") | .kept.images[]')" demo/desktop@1
    gild gc --keep 1 >/dev/null
    run_ok 'gc leaves the version that it needs' test -e "$state/images/demo/desktop/1.json"
    run_fails 'a newer version is not overwritten' 1 'demo/desktop@1 is not in production any more.*--force' gild capture pc1 demo/desktop
    run_ok 'it is still kept' test -e "$state/kept/pc1/pin.json"
    run_ok 'it is published' gild capture pc1 demo/desktop --force --json
    is 'as a child of what it booted' "$(jq -r '"\(.version) \(.parent) \(.kept)"' "$tmp/stdout")" '3 1 true'
    export_disk demo/desktop@3
    consistent 'its file system is consistent'
    is 'and has what was kept' "$(file_in kept) $(file_in noise | md5sum | cut -c -32)" "kept $sum"
    is 'and nothing is kept any more' "$(ls -A "$state/kept")" .lock
    run_fails 'nor captured again' 1 'pc1 does not run, and nothing is kept.*gild keep pc1' gild capture pc1 demo/desktop
}

kept_mark ()
{
    gild desktops --json | jq -r --arg name "$1" '.desktops[] | select(.name == $name) | .keep'
}

# shut_down_timed NAME: how long libvirt and the hook take when the guest is off.
shut_down_timed ()
{
    local bytes
    bytes=$(df --output=used -B 1 "$run/desktops/$1" | tail -n 1)
    guest_run "$1" sync
    guest_forget "$1"
    local started=${EPOCHREALTIME/./}
    virsh -q destroy "$1"
    diag "destroyed with $((bytes / MIB)) MiB in RAM in $(((${EPOCHREALTIME/./} - started) / 1000)) ms"
    wait_for 20 is_clean "$1" || :
}

# What is in /run is gone.
reboot ()
{
    gild-services stop
    find "$run" -mindepth 1 -delete
    gild-services start
}

# It cannot be kept, or is not wanted any more.
test_not_kept ()
{
    mount -t tmpfs -o size=24M,mode=755 gild-test "$state/kept"
    start pc1
    gild keep pc1 >/dev/null
    guest_run pc1 'head -c 33554432 /dev/urandom >/mnt/vda/noise; sync'
    shut_down_timed pc1
    leaves_nothing 'where the disk has no room it goes all the same' pc1
    is 'and nothing of it stays' "$(ls "$state/kept/pc1")" pin.json
    like 'gild desktops says why' "$(gild desktops)" '^pc1: .* could not be kept: the disk had no room'
    like 'and gildd'\''s log' "$(cat "$run/gildd.log")" 'pc1 is released.*no room'
    run_fails 'it is not captured' 1 'pc1: .* could not be kept: the disk had no room' gild capture pc1 demo/desktop
    run_ok 'that is forgotten' gild keep --drop pc1
    is 'for good' "$(ls -A "$state/kept")" .lock
    umount "$state/kept"

    start pc1
    gild keep pc1 >/dev/null
    run_ok 'a wish to keep is taken back' gild keep --drop pc1
    shut_down_timed pc1
    is 'and nothing is kept' "$(ls -A "$state/kept")" .lock
    start pc1
    gild keep pc1 >/dev/null
    shut_down_timed pc1
    run_ok 'it is kept, and thrown away' gild keep --drop pc1
    is 'it is gone' "$(ls -A "$state/kept")" .lock
}

# gild is killed, or the desktop ends, at any moment of a capture.
test_kills ()
{
    local i pid before
    start pc1
    before=$(copies pc1)
    guest_run pc1 'head -c 16777216 /dev/urandom >/mnt/vda/noise; sync'
    for i in 0 1 2; do
        gild capture pc1 "demo/killed$i" >/dev/null 2>&1 &
        pid=$!
        wait_for 20 has_begun pc1 "$((before + i + 1))" || :
        kill -KILL "$pid"
        wait "$pid" 2>/dev/null || :
    done
    is 'gild is killed three times, and the guest runs on' "$(virsh domstate pc1) $(guest_run pc1 'echo on')" 'running on'
    is 'without a job' "$(virsh domjobinfo pc1 | grep -c 'Job type: *None')" 1
    definition_is_kept 'and' pc1
    run_ok 'the next capture is whole' gild capture pc1 demo/whole
    gild capture pc1 demo/ended >"$tmp/ended" 2>&1 &
    pid=$!
    wait_for 20 pgrep -P "$pid" -x qemu-nbd || :
    virsh -q destroy pc1
    guest_forget pc1
    status=0
    wait "$pid" || status=$?
    diag "captured while it was shut down: $status, $(tail -n 1 "$tmp/ended")"
    run_ok 'a desktop that ends while it is captured is captured, or that is said' \
        grep -qE '^demo/ended@1$|^new: |No such file|shut down' "$tmp/ended"
    wait_for 10 is_clean pc1 || :
    leaves_nothing 'it leaves nothing' pc1
    is 'nor on disk' "$(ls -A "$state/spill")" ''
}

# copies NAME: how often gildd has begun a copy of it.
copies ()
{
    grep -c "$1: it writes to a new overlay" "$run/gildd.log" || :
}

has_begun ()
{
    [ "$(copies "$1")" -ge "$2" ]
}

make_golden
new_desktop pc1 "overlay='256MiB'"
test_bad_input
test_running
test_spilled
test_boots
test_kept
test_not_kept
test_kills
done_testing
