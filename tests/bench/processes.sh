# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rows: the memory of the services, and the hook's part of a start.

readonly MIB=1048576

# peak_mib PID: the most memory that it ever had, in MiB.
peak_mib ()
{
    awk '/^VmHWM:/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"
}

# Every way to read, four connections at once, and more than the cache holds.
measure_nbdkit_memory ()
{
    serve_gild cache-size=128MiB
    local pid=$server_pid
    nbdcopy --connections=4 "$uri" null:
    load "$work/random.requests" --depth=64
    qemu-img compare -f raw -F raw "$uri" "$uri" >/dev/null
    peak_mib "$pid" >"$work/nbdkit-memory"
    stop_all
}

start_gildd ()
{
    start "$run/gildd.sock" "${as_user[@]}" gildd
    gildd_pid=$server_pid
    start "$run/nbd.sock" "${as_user[@]}" nbdkit --foreground --readonly --unix "$run/nbd.sock" "$plugin" "config=$GILD_CONFIG"
}

# As libvirt calls it, with no libvirt about.
hook ()
{
    "$hook_program" bench-desktop "$1" "$2" - <"$work/domain.xml" >>"$work/commands.log" 2>&1 ||
        die_of "$work/commands.log" "the hook failed"
}

measure_hook ()
{
    local start=$EPOCHREALTIME
    hook prepare begin
    elapsed=$(calculate "1000 * ($EPOCHREALTIME - $start)")
    hook release end
}

rows_of_processes ()
{
    local i
    prepare_images
    say 'memory, and the hook'
    [ -e "$work/random.requests" ] || { serve_gild; random_reads >"$work/random.requests"; stop_all; }
    measure_nbdkit_memory
    row 'nbdkit, beside its chunk cache' MiB "$(calculate "$(cat "$work/nbdkit-memory") - 128")" '' '' 64

    if ! type -P gildd >/dev/null; then
        skipped 'gildd' 'it is not built'
        return
    fi
    start_gildd
    if [ "$(id -u)" = 0 ] && [ -x "$hook_program" ]; then
        "${as_user[@]}" gild define "$here/../../virt-hooks/templates/linux.xml" bench-desktop --image bench/image --print >"$work/domain.xml"
        : >"$work/times.hook"
        for ((i = 0; i < 10; i++)); do
            measure_hook
            echo "$elapsed" >>"$work/times.hook"
        done
        row "the hook's part of virsh start" ms "$(result hook)" '' '' 40
    else
        skipped "the hook's part of virsh start" 'it needs root'
    fi
    for ((i = 0; i < 50; i++)); do
        "${as_user[@]}" gild status >/dev/null
    done
    row gildd MiB "$(peak_mib "$gildd_pid")" '' '' 30
    stop_all
}
