#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The power goes at any moment of init, publish and gc: the old state or the new one is there, and all goes on.
#
# Each operation is recorded once; power-cut.c says what a disk may have of it. TORTURE_COUNT power cuts, spread over
# the operations and over their time; TORTURE_SEED has them lose something else.
. "$(dirname "$0")/lib.sh"

readonly count=${TORTURE_COUNT:-21} seed=${TORTURE_SEED:-1}
readonly cutter=$builddir/tests/torture/power-cut
readonly operations=(init first second known gc again mend)
old_states=0 new_states=0

# before OPERATION: the disk is as the recording begins with it.
before ()
{
    mkdir "$tmp/$1"
    cp -a "$disk" "$tmp/$1/before"
    outcome "$1" >"$tmp/$1/old"
}

# recorded OPERATION [FAULT]: done, and its log is complete.
recorded ()
{
    [ -d "$tmp/$1" ] || before "$1"
    front=("${layer[@]}" DISK_LAYER_LOG="$tmp/$1/log")
    operate "$1" || :
    front=()
    outcome "$1" >"$tmp/$1/new"
    cp -a "$tmp/bytes" "$tmp/$1/bytes"
    rm -rf "$tmp/replayed"
    "$cutter" --all "$tmp/$1/before" "$tmp/$1/log" "$tmp/replayed" >/dev/null
    wrong=$wrong$(diff -r "$disk" "$tmp/replayed" && diff <(names "$disk") <(names "$tmp/replayed") || :)
    point "$1: the recording has all of it ($("$cutter" --count "$tmp/$1/log") operations)"
}

names ()
{
    (cd "$1" && find . -printf '%p %m\n' | sort)
}

# killed OPERATION FAULT COMMAND…: the recording begins with COMMAND, which dies.
killed ()
{
    local name=$1 fault=$2 status=0
    shift 2
    before "$name"
    { "${layer[@]}" DISK_LAYER_LOG="$tmp/$name/log" DISK_LAYER_FAULT="$fault" "$@" || status=$?; } >"$tmp/said" 2>&1
    [ "$status" = 137 ] || wrong="$* was not killed: $(cat "$tmp/said")"
}

record_all ()
{
    mkdir "$tmp/bytes"
    new_disk
    recorded init
    recorded first
    make_profile
    recorded second
    [ -e "$state/images/one/disk/2.profile" ] || not_ok 'the second version inherits the boot profile'
    # When the chunks have their names and nobody has synced them; then the same disk is published again.
    killed known sync:2:kill gild publish one/disk "$tmp/c.raw"
    recorded known
    publish_disk one/disk "$tmp/d.raw"
    publish_disk one/disk "$tmp/a.raw"
    recorded gc
    publish_disk one/disk "$tmp/b.raw"
    # When a version's record is gone, and nobody has synced that; the second gc does not see it any more.
    killed again sync:1:kill gild gc --keep 1
    recorded again
    make_litter
    recorded mend
}

# cut_power OPERATION POSITION END SEED [OPTION…]: it was done if POSITION is END.
cut_power ()
{
    local name=$1 image said which
    image=$(image_of "$name")
    rm -rf "$disk" "$tmp/bytes"
    cp -a "$tmp/$name/bytes" "$tmp/bytes"
    said=$("$cutter" --seed "$4" --after "$2" "${@:5}" "$tmp/$name/before" "$tmp/$name/log" "$disk")
    if is_old_or_new "$name" "$(cat "$tmp/$name/old")" "$(cat "$tmp/$name/new")"; then
        [ "$2" != "$3" ] || [ "$which" = new ] || wrong='it was done, and is not there'
        goes_on "$image" || :
        eval "${which}_states=\$((${which}_states + 1))"
    fi
    point "$name ${said//"$tmp"/}, seed $4 ${*:5}"
}

goes_on ()
{
    [ -z "$wrong" ] && { [ -e "$state/site" ] || operate init; } && sound && profiles_whole && all_bytes_right &&
        publish_disk "$1" "$tmp/next.raw" && settles "$1"
}

# The k-th of n cuts of an operation is at k/n of its time, or a little later, before the end of a sync, when there is
# most to lose; each fourth one is when all is done.
cut_all ()
{
    local i k at mode end name n=$(((count + ${#operations[@]} - 1) / ${#operations[@]}))
    for ((i = 0; i < count; i++)); do
        name=${operations[i % ${#operations[@]}]} k=$((i / ${#operations[@]} + 1)) mode=()
        end=$("$cutter" --count "$tmp/$name/log")
        RANDOM=$((seed * 10000 + i)) # from which what follows comes
        [ $((RANDOM % 2)) = 0 ] || mode+=(--ordered)
        [ $((RANDOM % 2)) = 0 ] || mode+=(--to-sync)
        at=$((end * k / n))
        [ $((k % 4)) != 0 ] || at=$end
        cut_power "$name" "$at" "$end" $((seed * 1000000 + i)) "${mode[@]}"
    done
}

make_disks
record_all
cut_all
diag "$count power cuts: $old_states left the old state, $new_states the new one; $tap_failed tests failed"
done_testing
