#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What it takes to look after desktops, on a host like that of the system tests: a line "WHAT VALUE" for each figure.
. "$(dirname "$0")/../system/lib.sh"
readonly IDLE_DESKTOPS=10 IDLE_SECONDS=60
host_up >&2

# cpu_ms PID: that it has used so far.
cpu_ms ()
{
    awk -v tick="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000 / tick }' "/proc/$1/stat"
}

milliseconds ()
{
    echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

publish_golden ()
{
    mkdir "$tmp/golden"
    head -c 8M /dev/urandom >"$tmp/golden/random"
    truncate -s 1600M "$tmp/golden.raw"
    mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0 -O ^has_journal \
        -d "$tmp/golden" "$tmp/golden.raw"
    gild publish demo/desktop "$tmp/golden.raw" >/dev/null 2>&1
    rm "$tmp/golden.raw"
}

# new_desktop NAME ATTRIBUTES
new_desktop ()
{
    desktop_attributes=$2 template "target='vda' image='demo/desktop'" | sed 's/>256</>128</' >"$tmp/$1.template"
    define "$1" "$tmp/$1.template"
    virsh -q start "$1" >/dev/null
    guest_up "$1"
}

# Half of them have an overlay that is more than half full, so that it is looked at.
measure_idle ()
{
    local i gildd before
    for ((i = 1; i <= IDLE_DESKTOPS; i++)); do
        new_desktop "idle$i" "overlay='64MiB'"
        [ $((i % 2)) = 0 ] || guest_run "idle$i" 'for i in 1 2 3 4 5; do cat /mnt/vda/random; done >/mnt/vda/copy; sync'
    done >&2
    gildd=$(child_of gildd)
    before=$(cpu_ms "$gildd")
    sleep "$IDLE_SECONDS"
    echo "idle $(cpu_ms "$gildd") $before" | awk -v s="$IDLE_SECONDS" '{ print "idle", ($2 - $3) / s / 10 }' >&3
    for ((i = 1; i <= IDLE_DESKTOPS; i++)); do
        virsh -q destroy "idle$i" >&2
        guest_forget "idle$i"
    done
}

# The guest pauses from the first event to the last; virsh event has their times.
measure_full_speed ()
{
    new_desktop fast "overlay='256MiB'" >&2
    stdbuf -oL virsh event --event lifecycle --loop --timestamp >"$tmp/events" 2>&1 &
    local events=$! start
    start=$(milliseconds)
    guest_seconds=300 guest_run fast 'for i in $(seq 128); do cat /mnt/vda/random; done >/mnt/vda/big; sync' >&2
    echo "full-speed-seconds $((($(milliseconds) - start) / 1000))" >&3
    kill "$events"
    awk '
        function ms(time, part) { split (time, part, /[:.+]/); return ((part[1] * 60 + part[2]) * 60 + part[3]) * 1000 + part[4] }
        /Suspended/ { from = ms($2) }
        /Resumed/ { if (from) sum += ms($2) - from; from = 0 }
        END { print "pauses", sum + 0 }' "$tmp/events" >&3
}

# From the instant that nbdkit's socket is there again until the guest runs.
measure_return ()
{
    local keeper round back
    keeper=$(cat "$run/nbdkit.pid")
    for round in 1 2 3; do
        guest_run fast 'sync; echo 3 >/proc/sys/vm/drop_caches' >&2
        kill -STOP "$keeper"
        kill_service nbdkit
        rm -f "$run/nbd.sock"
        guest_start fast 'cat /mnt/vda/random >/dev/null; echo @end'
        wait_for 30 is_paused fast
        sleep 2
        kill -CONT "$keeper"
        until [ -S "$run/nbd.sock" ]; do sleep 0.01; done
        back=$(milliseconds)
        while is_paused fast; do sleep 0.01; done
        echo "return $(($(milliseconds) - back))" >&3
        guest_lines fast @end >&2
    done
}

exec 3>"${GILD_BENCH_FIGURES:?}"
publish_golden
measure_idle
measure_full_speed
measure_return
virsh -q destroy fast >&2
tap_done=1
