#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild edit as root: the file system of the copy, what COMMAND leaves mounted, who reads what, and a full disk.
. "$(dirname "$0")/lib.sh"
needs jq mke2fs losetup
host_needs
[ -c /dev/fuse ] && grep -qw fuse /proc/filesystems || skip_all 'this kernel has no FUSE'
[ -b /dev/loop0 ] && [ -c /dev/loop-control ] || skip_all 'there are no loop devices here'
host_up

# GILD_DISK and its like are for COMMAND's shell, so:
# shellcheck disable=SC2016
readonly MNT=$tmp/mnt
mkdir "$MNT" "$tmp/other"

production ()
{
    gild images demo/erp --json | jq '.images[] | select(.channels | index("production")).version'
}

# leaves_nothing DESCRIPTION: no copy, process, mount or loop device.
leaves_nothing ()
{
    is "$1: nothing is left" "$(ls "$state/edit") $(pgrep -x qemu-nbd || :) $(pgrep -x qemu-storage-da || :) $(grep -c "$MNT" /proc/self/mountinfo || :) $(losetup -l -n | grep -c "$state\|gild" || :)" \
        '   0 0'
}

# export_raw VERSION: the version as $tmp/exported.raw.
export_raw ()
{
    rm -f "$tmp/exported.qcow2"
    gild export "demo/erp@$1" "$tmp/exported.qcow2" >/dev/null
    qemu-img convert -f qcow2 -O raw "$tmp/exported.qcow2" "$tmp/exported.raw"
}

# is_clean DESCRIPTION VERSION: its ext4 is, as one that was unmounted.
is_clean ()
{
    export_raw "$2"
    run_ok "$1: fsck" e2fsck -fn "$tmp/exported.raw"
    like "$1: unmounted" "$(dumpe2fs -h "$tmp/exported.raw" 2>/dev/null)" '^Filesystem state: +clean$'
    unlike "$1: with no journal to play" "$(dumpe2fs -h "$tmp/exported.raw" 2>/dev/null)" 'needs_recovery'
}

# content FILE: of the version that was exported last.
content ()
{
    debugfs -R "cat $1" "$tmp/exported.raw" 2>/dev/null
}

edit_fails ()
{
    local before
    before=$(production)
    run_fails "$1" "$2" "$3" gild edit demo/erp "${@:4}"
    is "$1: production stays" "$(production)" "$before"
    leaves_nothing "$1"
}

test_mount ()
{
    local wanted
    run_ok 'COMMAND mounts' gild edit demo/erp -- bash -e -c 'gild mount "$1"; echo new >"$1/dir/new"; rm "$1/hole"; findmnt "$1" >&2' - "$MNT"
    unlike 'gild does not complain of its own mount' "$(cat "$tmp/stderr")" 'has left'
    leaves_nothing 'COMMAND mounts'
    is_clean 'COMMAND mounts' 2
    is 'what it wrote is in the version' "$(content dir/new)" new
    run_ok 'gild edit mounts' gild edit demo/erp --json --mount "$MNT" --partition 0 -- bash -c 'head -c 40M /dev/urandom | tee "$1/large" | sha256sum; echo 2 >"$1/dir/new"' - "$MNT"
    like 'much is new' "$(jq .new_size "$tmp/stdout")" '^4[0-9]{7}$'
    wanted=$(grep -E '^[0-9a-f]{64} ' "$tmp/stderr")
    is_clean 'gild edit mounts' 3
    is 'all that was written is there' "$(content large | sha256sum)" "$wanted"
    leaves_nothing 'gild edit mounts'
    edit_fails 'no such partition' 1 'cannot be mounted at .*the disk has no partitions' --mount "$MNT" --partition 3 -- true
    edit_fails 'no such directory' 1 'cannot be mounted' --mount "$tmp/none" -- true
    edit_fails 'COMMAND fails in a mount' 5 'status 5' --mount "$MNT" -- bash -c 'rm -r "$1"/dir; exit 5' - "$MNT"
    run_fails 'gild mount alone' 1 'for COMMAND of `gild edit' gild mount "$MNT"
}

test_unchanged ()
{
    run_ok 'what is only looked at' gild edit demo/erp --json -- bash -e -c 'gild mount --read-only "$1"; cat "$1/dir/new"' - "$MNT"
    is 'is no new version' "$(jq .unchanged "$tmp/stdout")" true
}

test_leaves_mounts ()
{
    run_ok 'COMMAND leaves mounts, and who uses them' gild edit demo/erp --mount "$MNT" -- bash -e -c '
        mount -t tmpfs left "$1/dir"; mount --bind /usr "$2"
        (cd "$1"; exec setsid sleep 1000) >/dev/null 2>&1 &
        echo 3 >"$1/new"' - "$MNT" "$tmp/other"
    like 'the process is named' "$(cat "$tmp/stderr")" 'left running: .*(bash|sleep|setsid) \(process [0-9]+\)'
    like 'the mounts are named' "$(cat "$tmp/stderr")" "left mounted: $MNT/dir\$"
    like 'each of them' "$(cat "$tmp/stderr")" "left mounted: $tmp/other\$"
    is 'the host never saw them' "$(grep -c "$tmp/other" /proc/self/mountinfo || :)" 0
    leaves_nothing 'mounts'
    is_clean 'mounts' "$(production)"
    is 'what was written is there' "$(content new)" 3
    run_ok 'COMMAND leaves a loop device' gild edit demo/erp -- bash -e -c 'losetup -f "$GILD_DISK"'
    like 'it is named' "$(cat "$tmp/stderr")" 'left attached: /dev/loop[0-9]+$'
    leaves_nothing 'a loop device'
}

test_hangs ()
{
    edit_fails 'COMMAND hangs in a mount' 1 'took longer than --timeout' --timeout 3s --mount "$MNT" -- bash -c 'cd "$1"; sleep 1000' - "$MNT"
}

# The copy is served, read and published by who is not root.
test_who ()
{
    run_ok 'who serves $GILD_NBD' gild edit demo/erp -- bash -c \
        'exec 3> >(exec qemu-io -f raw "$GILD_NBD" >/dev/null); for i in {1..100}; do pid=$(pgrep -x qemu-nbd) && break; sleep 0.1; done
            ps -o user= -p "$pid" >"$1"; exec 3>&-' - "$tmp/user"
    is 'is the user gild' "$(cat "$tmp/user")" gild
    run_ok 'the copy' gild edit demo/erp -- bash -c 'stat -c "%a %U" "$GILD_DISK" "${GILD_DISK%/*}" "${GILD_DISK%/*/*}" >"$1"' - "$tmp/modes"
    is 'is reached by those who know its name' "$(cat "$tmp/modes")" "600 gild
711 root
711 root"
    is 'the store is the user gild'"'"'s alone' "$(find "$state/store.castr" "$state/images" ! -user gild)" ''
}

test_disk_full ()
{
    local small=$tmp/small
    mkdir "$small"
    mount -t tmpfs -o size=64m,mode=711 small "$small"
    mount --bind "$small" "$state/edit"
    edit_fails 'the disk is full but for its last tenth' 1 'only its last tenth left' --mount "$MNT" -- \
        bash -c 'head -c 200M /dev/urandom >"$1/large"; sleep 100' - "$MNT"
    head -c 60M /dev/urandom >"$small/large"
    run_fails 'it is full to begin with' 1 'only its last tenth left' gild edit demo/erp -- true
    is 'no copy was made' "$(ls "$small")" large
    umount "$state/edit" "$small"
}

test_killed ()
{
    local at before
    before=$(production)
    for at in 0.05 0.1 0.2 0.4 0.8 1.2; do
        bash -c 'timeout --signal KILL "$1" gild edit demo/erp --mount "$2" -- bash -c "dd if=/dev/urandom of=$2/new bs=1M count=4 status=none" >/dev/null; exit $?' - "$at" "$MNT" 2>/dev/null || :
        wait_for 30 no_disk || not_ok "killed after $at s: the disk goes"
    done
    ok 'gild edit was killed'
    run_ok 'what it has left, gc takes' gild gc --keep 20
    leaves_nothing 'killed'
    run_ok 'all that was published is whole' gild verify
    run_ok 'the next edit' gild edit demo/erp -- true
}

no_disk ()
{
    ! pgrep -x qemu-storage-da && ! pgrep -x gild-disk
}

run_ok 'publish' gild publish demo/erp "$guest_files/golden.qcow2"
test_mount
test_unchanged
test_leaves_mounts
test_hangs
test_who
test_disk_full
test_killed
done_testing
