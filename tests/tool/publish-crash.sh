#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild publish on a disk that fills up, when it is interrupted, and when there are two at once.
# (tests/torture has every fault, kill -9 and power cuts.)
. "$(dirname "$0")/lib.sh"
needs qemu-img jq

readonly MIB=$((1024 * 1024))

# recovers DESCRIPTION: the next publish succeeds, and gc leaves what the versions need and nothing more.
recovers ()
{
    run_ok "$1: the next publish succeeds" gild publish crash/disk "$tmp/disk.qcow2"
    run_ok "$1: gc" gild gc
    is "$1: gc removes the litter" "$(litter)" ''
    run_ok "$1: verify" gild verify
}

fresh ()
{
    rm -rf "$tmp/state"
    new_site
}

# in_small_tmpfs SIZE COMMAND…: with a new file system of SIZE at $tmp/small, where COMMAND is root for mount's sake.
in_small_tmpfs ()
{
    local size=$1
    shift
    mkdir -p "$tmp/small"
    # shellcheck disable=SC2016
    unshare --mount --user --map-root-user bash -c 'mount -t tmpfs -o "size=$1,mode=755" small "$2" && "${@:3}"' - "$size" "$tmp/small" "$@"
}

# gild itself is nobody's root.
gild_as_user ()
{
    unshare --user --map-user=1000 --map-group=1000 -- "$(type -P gild)" "$@"
}

# A disk that fills up while publishing, on a real file system; then there is room again.
full_disk ()
{
    printf '[paths]\nstate=%s\nrun=%s\n' "$tmp/small/state" "$run" >"$tmp/small.conf"
    state=$tmp/small/state
    export GILD_CONFIG=$tmp/small.conf
    gild () { gild_as_user "$@"; }
    gild init small >"$tmp/init.log" 2>&1 || { not_ok 'a site in a small file system'; diag_file "$tmp/init.log"; }
    run_fails 'a full disk' 1 'No space left' gild publish crash/disk "$tmp/disk.qcow2"
    is 'a full disk: there is no version' "$(versions_on_disk)" ''
    mount --options-mode ignore -o remount,size=200m "$tmp/small"
    recovers 'a full disk'
    mount --options-mode ignore -o remount,ro "$tmp/small"
    run_fails 'a read-only store' 1 'Read-only' gild publish crash/disk "$tmp/disk.qcow2"
    run_ok 'a read-only store is whole' gild verify
    run_ok 'and can be read' gild images
    echo "$tap_count $tap_failed" >"$tmp/counts"
}

test_full_disk ()
{
    in_small_tmpfs 1m unshare --user --map-user=1000 true 2>/dev/null || { skip 'no file system can be mounted here' 'a full disk'; return; }
    fresh
    export -f full_disk gild_as_user recovers litter versions_on_disk run run_ok run_fails is ok not_ok diag diag_file
    export tmp run
    tap_count=$tap_count tap_failed=$tap_failed in_small_tmpfs 12m bash -c full_disk
    read -r tap_count tap_failed <"$tmp/counts"
}

test_ctrl_c ()
{
    fresh
    # It must not be done before we have seen that it has begun.
    env --default-signal=INT nice -n 19 gild publish crash/disk "$tmp/large.raw" >"$tmp/stdout" 2>"$tmp/stderr" &
    local pid=$! status=0
    wait_for 10 staging_has_files || :
    kill -INT "$pid"
    wait "$pid" || status=$?
    like 'Ctrl-C: publish ends' "$status" '^(1|130)$'
    is 'Ctrl-C: there is no version' "$(versions_on_disk)" ''
    is 'Ctrl-C: it takes its litter away itself' "$(find "$state/store.castr" -type f ! -name '*lock*')" ''
    recovers 'Ctrl-C'
}

staging_has_files ()
{
    [ -n "$(find "$state/store.castr" -mindepth 2 -type f -print -quit)" ]
}

test_two_at_once ()
{
    local first second a=0 b=0
    fresh
    gild publish crash/disk "$tmp/disk.qcow2" >"$tmp/a" 2>&1 &
    first=$!
    gild publish crash/disk "$tmp/small.qcow2" >"$tmp/b" 2>&1 &
    second=$!
    wait "$first" || a=$?
    wait "$second" || b=$?
    is 'two at once: both succeed' "$a $b" '0 0'
    is 'two at once: one after the other' "$(cat "$tmp/a" "$tmp/b" | grep -o '^crash/disk@[0-9]*' | sort | tr '\n' ' ')" \
        'crash/disk@1 crash/disk@2 '
    is 'two at once: the channel names the later' "$(jq .channels.production "$state/images/crash/disk/channels.json")" 2
    run_ok 'two at once: both verify' gild verify
}

truncate -s $((40 * MIB)) "$tmp/disk.raw"
put "$tmp/disk.raw" $((2 * MIB)) $((30 * MIB)) /dev/urandom
qemu-img convert -f raw -O qcow2 "$tmp/disk.raw" "$tmp/disk.qcow2"
make_qcow2 "$tmp/small.qcow2" $((2 * MIB))
head -c 600M /dev/urandom >"$tmp/large.raw"
test_full_disk
test_ctrl_c
test_two_at_once
done_testing
