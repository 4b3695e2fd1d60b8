#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each call by which a host's gildd changes its disk fails once, or is where gildd is killed, while it takes a new version
# from another host by HTTPS: its records, its index, all its chunks. The old version stays whole, gildd says what failed,
# and has the new version all the same: by itself, with the next `gild fetch`, or after a restart.
#
# With TORTURE_COUNT set every call, with ENOSPC, EIO and kill -9; without it a sample of them.
. "$(dirname "$0")/lib.sh"

readonly IMAGE=one/disk sample=9
readonly -A sentences=([ENOSPC]='No space left on device' [EIO]='Input/output error')
failures=0 silent=0 kills=0 gildd='' srv_config=$tmp/srv.conf

# on_srv COMMAND…
on_srv ()
{
    GILD_CONFIG=$srv_config "$@" >>"$tmp/srv.log" 2>&1
}

# serve: a publisher whose disk is another.
serve ()
{
    free_port
    mkdir -p "$tmp/srv/run"
    printf '[paths]\nstate=%s\nrun=%s\n[network]\nlisten=127.0.0.1\nport=%s\n' "$tmp/srv/state" "$tmp/srv/run" "$port" >"$srv_config"
    on_srv gild init torture --name srv
    on_srv gild publish $IMAGE "$tmp/a.raw" --format raw
    GILD_CONFIG=$srv_config gildd 2>>"$tmp/srv.log" &
    stop_at_exit $!
    wait_for 20 on_srv gild status
}

# answers: gildd does, or it has ended.
answers ()
{
    gild status || ! kill -0 "$gildd"
}

# start_gildd: by way of the layer where $front says so.
start_gildd ()
{
    "${front[@]}" gildd 2>>"$tmp/gildd.log" &
    gildd=$!
    wait_for 20 answers || wrong=${wrong:-"gildd does not answer: $(cat "$tmp/gildd.log")"}
}

# end_gildd: its exit status is in $status; 137 if it was killed before.
end_gildd ()
{
    status=0
    kill "$gildd" 2>/dev/null || :
    { wait "$gildd" || status=$?; } 2>/dev/null
    gildd=''
}
at_exit '[ -z "$gildd" ] || stop "$gildd"'

# has VERSION: its record is there, and so is the channel's that names it; or nothing will come any more.
has ()
{
    [ "$(channel_of $IMAGE)" = "$1" ] || ! kill -0 "$gildd"
}

# fetch: all of the version that the channel names; what it says is in $tmp/said.
fetch ()
{
    timeout --foreground 120 gild fetch $IMAGE >"$tmp/said" 2>&1 </dev/null
}

# prepare: a host that has version 1, the publisher has version 2, and $tmp/calls are those that take it from there.
prepare ()
{
    local token
    new_disk
    free_port
    printf '[network]\nlisten=127.0.0.1\nport=%s\n[fetch]\nprefetch=never\n' "$port" >>"$GILD_CONFIG"
    token=$(GILD_CONFIG=$srv_config gild invite --address 127.0.0.1 2>>"$tmp/srv.log")
    quietly gild join "$token" --name pc
    start_gildd
    wait_for 20 has 1
    fetch || wrong=${wrong:-"gild fetch: $(cat "$tmp/said")"}
    end_gildd
    mkdir -p "$tmp/bytes/$IMAGE"
    cp "$tmp/a.raw" "$tmp/bytes/$IMAGE/1.raw"
    cp "$tmp/d.raw" "$tmp/bytes/$IMAGE/2.raw"
    on_srv gild publish $IMAGE "$tmp/d.raw" --format raw
    cp -a "$disk" "$tmp/before"
    front=("${layer[@]}" DISK_LAYER_CALLS="$tmp/calls")
    start_gildd
    front=()
    wait_for 20 has 2
    fetch || wrong=${wrong:-"gild fetch: $(cat "$tmp/said")"}
    end_gildd
    point "can fail at $(wc -l <"$tmp/calls") calls"
}

# faults: KIND:N:WHAT, a line for each.
faults ()
{
    local kind number path what
    while read -r kind number path; do
        for what in ENOSPC EIO kill; do
            echo "$kind:$number:$what"
        done
    done <"$tmp/calls"
}

# takes_version: gildd comes to have version 2, if it lives.
takes_version ()
{
    wait_for 20 has 2 || { wrong="version 2 does not come: $(cat "$tmp/gildd.log")"; return 1; }
    fetch || fetch || ! kill -0 "$gildd" 2>/dev/null || { wrong="gild fetch: $(cat "$tmp/said")"; return 1; }
}

# with_fault FAULT: gildd takes the version, and the fault comes; then $status is its exit status.
with_fault ()
{
    rm -rf "$disk"
    rm -f "$tmp/call" "$tmp/gildd.log"
    cp -a "$tmp/before" "$disk"
    front=("${layer[@]}" DISK_LAYER_FAULT="$1" DISK_LAYER_CALLS="$tmp/call")
    start_gildd
    front=()
    ! kill -0 "$gildd" 2>/dev/null || takes_version || :
    end_gildd
    call=$(cat "$tmp/call" 2>/dev/null)
}

# try_fault FAULT
try_fault ()
{
    local status call what=${1##*:}
    wrong=''
    with_fault "$1"
    case $what:$status in
    kill:137) kills=$((kills + 1)) ;;
    kill:0) [ -z "$call" ] || wrong=${wrong:-"it was not killed"} ;;
    *:[01])
        if grep -q "${sentences[$what]}" "$tmp/gildd.log"; then
            failures=$((failures + 1))
        else
            silent=$((silent + 1))
            [ "$status" = 0 ] || wrong=${wrong:-"gildd has ended without a word: $(cat "$tmp/gildd.log")"}
        fi
        ;;
    *) wrong=${wrong:-"exit status $status: $(cat "$tmp/gildd.log")"} ;;
    esac
    [ -n "$wrong" ] || goes_on || :
    point "$1 ($call)"
}

# The old version is whole whatever came, and a gildd that is started then has the new one.
goes_on ()
{
    [[ $(channel_of $IMAGE) = [12] ]] || { wrong="the channel names '$(channel_of $IMAGE)'"; return 1; }
    sound && same_bytes $IMAGE 1 || return 1
    start_gildd
    takes_version || :
    end_gildd
    [ -z "$wrong" ] && sound && all_bytes_right && settles $IMAGE
}

try_all ()
{
    local all i step=1
    mapfile -t all < <(faults)
    [ -n "${TORTURE_COUNT:-}" ] || step=$((${#all[@]} / sample))
    [ $((step % 3)) != 0 ] || step=$((step + 1)) # or only one kind of fault would be tried
    for ((i = 0; i < ${#all[@]}; i += step)); do
        try_fault "${all[i]}"
    done
    diag "${#all[@]} faults are possible, each $step-th was tried: gildd told of $failures, went on silently after $silent and was killed by $kills; $tap_failed tests failed"
}

make_disks
serve
prepare
try_all
done_testing
