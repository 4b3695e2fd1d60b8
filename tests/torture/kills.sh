#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 of gild publish and gild gc at random instants, one after the other on the same store.
#
# TORTURE_COUNT kills; programs that were done before their instant came are not counted, nor those that were
# interrupted (SIGINT) instead, one in six.
. "$(dirname "$0")/lib.sh"
needs pgrep

readonly count=${TORTURE_COUNT:-12}
kills=0 runs=0
declare -A milliseconds # that an operation takes when nobody kills it

# changed_disk: the disk of the last publish with some new data in it.
changed_disk ()
{
    put "$tmp/disk.raw" $((RANDOM % 100 * 65536)) 1000000 /dev/urandom
    put "$tmp/disk.raw" $((RANDOM % 100 * 65536)) 1000000 /dev/zero
}

start ()
{
    case $1 in
    publish) "${front[@]}" gild publish one/disk "$tmp/disk.raw" ;;
    gc) "${front[@]}" gild gc --keep 2 ;;
    esac
}

measure ()
{
    local began=${EPOCHREALTIME/./}
    start "$1" >"$tmp/said" 2>&1
    milliseconds[$1]=$(((${EPOCHREALTIME/./} - began) / 1000 + 1))
}

# kill_one: a publish or a gc; then all is checked.
kill_one ()
{
    local operation=publish signal=KILL after status=0 old
    [ $((RANDOM % 3)) != 0 ] || operation=gc
    [ "$operation" = gc ] || { changed_disk; expect one/disk "$tmp/disk.raw"; }
    after=$((RANDOM % milliseconds[$operation] + 1)) old=$(channel_of one/disk)
    [ $((RANDOM % 6)) != 0 ] || signal=INT
    front=(timeout --foreground --signal "$signal" "$(printf '%d.%03d' $((after / 1000)) $((after % 1000)))" env --default-signal=INT)
    { start "$operation" || status=$?; } >"$tmp/said" 2>&1
    front=() runs=$((runs + 1))
    case $status in
    0) ;;
    124) status=1 ;; # SIGINT; or it was done when timeout wanted to kill it
    137) kills=$((kills + 1)) ;;
    *) wrong="exit status $status: $(cat "$tmp/said")" ;;
    esac
    check "$operation" "$old" "$status" || :
    [ "$status" = 0 ] && [ -z "$wrong" ] || point "SIG$signal of $operation after $after ms ($kills killed)"
}

# check OPERATION OLD STATUS: the channel names the old version or the new one, and all is whole.
check ()
{
    local is
    is=$(channel_of one/disk)
    if [ "$1" = gc ] && [ "$is" != "$2" ]; then
        wrong="gc moved the channel from $2 to $is"
    elif [ "$1" = publish ] && [ "$is" != "$2" ] && [ "$is" != "$(versions_of one/disk | tail -n 1)" ]; then
        wrong="the channel names $is, and did name $2"
    elif [ "$3" = 0 ] && [ "$1" = publish ] && [ "$is" = "$2" ]; then
        wrong='it was done, and is not there'
    fi
    [ -z "$wrong" ] && sound && same_bytes one/disk "$is"
}

# is_unread FILE: no qemu-nbd has outlived the publish that started it.
is_unread ()
{
    ! pgrep -f "^[^ ]*qemu-nbd .*$1"
}

make_raw "$tmp/disk.raw" $((12 * 1024 * 1024))
new_disk
operate init
expect one/disk "$tmp/disk.raw"
measure publish
changed_disk
expect one/disk "$tmp/disk.raw"
measure publish
measure gc
while [ "$kills" -lt "$count" ] && [ "$runs" -lt $((count * 10)) ]; do
    kill_one
    if [ $((runs % 10)) = 0 ]; then
        all_bytes_right && settles one/disk || :
        point "after $runs runs all versions are whole, and gc leaves no litter"
    fi
done
publish_disk one/disk "$tmp/disk.raw" && all_bytes_right && settles one/disk || :
point 'at the end all versions are whole, and gc leaves no litter'
run_ok 'nobody reads the disk any more' wait_for 10 is_unread "$tmp/disk.raw"
is 'so many were killed' "$kills" "$count"
diag "$kills kills in $runs runs; $tap_failed tests failed"
done_testing
