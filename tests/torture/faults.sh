#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each call by which init, publish and gc change the disk fails once: one clear sentence, the old state or the new one,
# and the next try succeeds. So it is where gild is killed instead of the call. A short write is no failure.
#
# With TORTURE_COUNT set every call, with ENOSPC, EIO and kill -9, and those that make or remove names also with EROFS;
# without it a sample of them.
. "$(dirname "$0")/lib.sh"

readonly operations=(init first second gc mend)
readonly sample=20
readonly -A sentences=([ENOSPC]='No space left on device' [EIO]='Input/output error' [EROFS]='Read-only file system')
# Where a failure is none: publish asks first for the image's directory, then for the directories above it; the last
# of the staging directory, of a chunk's directory, or of an image that never was, is litter for the next gc.
readonly harmless='^(mkdir 1 state(/images/[a-z/]*)?|rmdir [0-9]+ .*|unlink [0-9]+ .*/\.lock)$'
failures=0 successes=0 kills=0

# prepare OPERATION: what it starts from, and a list of the calls that can fail: KIND N PATH.
prepare ()
{
    mkdir "$tmp/$1"
    cp -a "$disk" "$tmp/$1/before"
    cp -a "$tmp/bytes" "$tmp/$1/bytes"
    outcome "$1" >"$tmp/$1/old"
    front=("${layer[@]}" DISK_LAYER_CALLS="$tmp/$1/calls")
    operate "$1" || :
    front=()
    outcome "$1" >"$tmp/$1/new"
    point "$1: can fail at $(wc -l <"$tmp/$1/calls") calls"
}

prepare_all ()
{
    mkdir "$tmp/bytes"
    new_disk
    prepare init
    prepare first
    prepare second
    publish_disk one/disk "$tmp/d.raw"
    prepare gc
    make_litter
    prepare mend
}

# faults: OPERATION KIND:N:WHAT, a line for each.
faults ()
{
    local name kind number path
    for name in "${operations[@]}"; do
        while read -r kind number path; do
            echo "$name $kind:$number:ENOSPC"
            echo "$name $kind:$number:EIO"
            echo "$name $kind:$number:kill"
            case $kind in
            open | mkdir | rename | unlink) echo "$name $kind:$number:EROFS" ;;
            write) echo "$name $kind:$number:short" ;;
            esac
        done <"$tmp/$name/calls"
    done
}

# with_fault OPERATION FAULT: $status and $tmp/said are gild's; the call is in $call.
with_fault ()
{
    rm -rf "$disk" "$tmp/bytes"
    rm -f "$tmp/call"
    cp -a "$tmp/$1/before" "$disk"
    cp -a "$tmp/$1/bytes" "$tmp/bytes"
    status=0
    front=("${layer[@]}" DISK_LAYER_FAULT="$2" DISK_LAYER_CALLS="$tmp/call")
    operate "$1" || status=$?
    front=() wrong=''
    call=$(cat "$tmp/call")
}

# says WHAT: gild has said one sentence, which names what failed and why.
says ()
{
    local sentence
    sentence=$(grep -v -e '^reading ' "$tmp/said" || :)
    if ! grep -qE "^gild [a-z]+: .*$disk/.*: ${sentences[$1]}\$" <<<"$sentence" || [ "$(wc -l <<<"$sentence")" != 1 ]; then
        wrong="it says: $sentence"
    fi
}

# try_fault OPERATION FAULT
try_fault ()
{
    local status call which what=${2##*:}
    with_fault "$1" "$2"
    if [ "$status" = 0 ]; then
        successes=$((successes + 1))
        [ "$what" = short ] || grep -qE "$harmless" <<<"$call" || wrong="it succeeded: $(cat "$tmp/said")"
    elif [ "$status" = 137 ] && [ "$what" = kill ]; then
        kills=$((kills + 1))
    elif [ "$status" = 1 ] && [[ -n ${sentences[$what]:-} ]]; then
        failures=$((failures + 1))
        says "$what"
    else
        wrong="exit status $status: $(cat "$tmp/said")"
    fi
    [ -n "$wrong" ] || goes_on "$1" || :
    point "$1, $2 ($call)"
}

# The state after the fault is the old one or the new one; after success the new one. Then the next try succeeds.
goes_on ()
{
    is_old_or_new "$1" "$(cat "$tmp/$1/old")" "$(cat "$tmp/$1/new")" || return 1
    [ "$status" != 0 ] || [ "$which" = new ] || { wrong='it says that it is done, and is not'; return 1; }
    [ "$1" = init ] && [ "$which" = old ] || { sound && all_bytes_right || return 1; }
    [ "$status" = 0 ] || { [ "$1" = init ] && [ "$which" = new ]; } || operate "$1" || return 1
    [ "$1" != init ] || operate first || return 1
    settles one/disk
}

try_all ()
{
    local all i step=1
    mapfile -t all < <(faults)
    [ -n "${TORTURE_COUNT:-}" ] || step=$((${#all[@]} / sample))
    for ((i = 0; i < ${#all[@]}; i += step)); do
        # shellcheck disable=SC2086
        try_fault ${all[i]}
    done
    diag "${#all[@]} faults are possible, each $step-th was tried: gild failed by $failures, took $successes and was killed by $kills; $tap_failed tests failed"
}

make_disks
prepare_all
try_all
done_testing
