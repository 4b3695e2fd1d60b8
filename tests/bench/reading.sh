# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rows: reading through NBD, against qemu-nbd, with the files in the page cache.

readonly RANDOM_READS=40000

# random_reads: 4 KiB reads of what is not zero, the same ones for every server.
random_reads ()
{
    nbdinfo --map "$uri" | awk -v n=$RANDOM_READS '
        $3 == 0 { start[++m] = $1; total += $2; end[m] = total; length_of[m] = $2 }
        END { srand(1)
              for (i = 0; i < n; i++) {
                  x = int(rand() * total / 4096) * 4096
                  low = 1; high = m
                  while (low < high) { middle = int((low + high) / 2); if (end[middle] > x) high = middle; else low = middle + 1 }
                  printf "0 read %.0f 4096\n", start[low] + x - (end[low] - length_of[low]) } }'
}

# boot_requests LOG: what nbdkit's log filter wrote, as nbd-load reads it.
boot_requests ()
{
    awk 'function number (hex,    i, v) { for (i = 1; i <= length(hex); i++) v = v * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1; return v }
         function field (name) { match($0, name "=0x[0-9a-f]+"); return number(substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3)) }
         / Read id=/ { split($2, t, ":"); now = t[1] * 3600 + t[2] * 60 + t[3]
                       if (!n++) first = now
                       if (now < first) now += 86400
                       printf "%.6f read %.0f %.0f\n", now - first, field("offset"), field("count") }' "$1"
}

# record_boot: boot the image once to its login and write down what it read.
record_boot ()
{
    local size qemu end
    say 'recording a boot of the image'
    : >"$work/boot.log"
    chmod 666 "$work/boot.log"
    serve_gild --filter=log "logfile=$work/boot.log"
    size=$(nbdinfo --size "$uri")
    qemu-img create -q -u -f qcow2 -o cluster_size=64k,extended_l2=on,backing_fmt=raw -b "$uri" "$memory/boot.qcow2" "$size"
    : >"$work/console.log"
    qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1024 -display none -no-reboot -nic none \
        -serial "file:$work/console.log" -drive "file=$memory/boot.qcow2,format=qcow2,if=virtio" >>"$work/servers.log" 2>&1 &
    qemu=$!
    started+=("$qemu")
    end=$((SECONDS + 180))
    until grep -q 'login:' "$work/console.log"; do
        kill -0 "$qemu" 2>/dev/null && [ "$SECONDS" -lt $end ] || { stop_all; return 1; }
        sleep 0.2
    done
    stop_all
    rm -f "$memory/boot.qcow2"
    boot_requests "$work/boot.log" >"$work/boot.requests"
    cp "$work/boot.requests" "$recording" 2>/dev/null || recording=$work/boot.requests
}

# load REQUESTS [OPTION…]: the seconds that nbd-load takes on $uri.
load ()
{
    local requests=$1
    shift
    taskset -c "$client_cores" "$nbd_load" "$@" "$uri" <"$requests" >"$work/load" || die "nbd-load $uri"
    read -r elapsed _ _ latency <"$work/load"
}

# cpu_seconds PID
cpu_seconds ()
{
    awk -v hertz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / hertz }' "/proc/$1/stat"
}

# Servers that have run for a while: each read everything once before.
start_both ()
{
    serve_gild
    uri_gild=$uri pid_gild=$server_pid
    serve_qcow2 "$work/zstd.qcow2"
    uri_zstd=$uri pid_zstd=$server_pid
    nbdcopy --connections=1 "$uri_gild" null:
    nbdcopy --connections=1 "$uri_zstd" null:
}

# say_cpu ROUNDS: what each server took for one round since start_both, or since the last time.
say_cpu ()
{
    local gild zstd
    gild=$(cpu_seconds "$pid_gild") zstd=$(cpu_seconds "$pid_zstd")
    say "  (CPU of the server for one: gild $(calculate "($gild - $cpu_gild) / $1") s, qemu-nbd $(calculate "($zstd - $cpu_zstd) / $1") s)"
    cpu_gild=$gild cpu_zstd=$zstd
}

measure_whole_gild () { timed nbdcopy --connections=1 "$uri_gild" null:; }
measure_whole_zstd () { timed nbdcopy --connections=1 "$uri_zstd" null:; }
measure_random_gild () { uri=$uri_gild; load "$work/random.requests" --depth=16; }
measure_random_zstd () { uri=$uri_zstd; load "$work/random.requests" --depth=16; }

# The first that a server reads: nothing cached, nothing hashed before.
measure_first_gild () { serve_gild; timed nbdcopy --connections=1 "$uri" null:; stop_all; }
measure_first_zstd () { serve_qcow2 "$work/zstd.qcow2"; timed nbdcopy --connections=1 "$uri" null:; stop_all; }
measure_burst_gild () { uri=$uri_gild; load "$recording"; }
measure_burst_plain () { uri=$uri_plain; load "$recording"; }
measure_first_burst_gild () { serve_gild; load "$recording"; stop_all; }
measure_first_burst_plain () { serve_qcow2 "$image"; load "$recording"; stop_all; }
measure_timed_gild () { serve_gild; load "$recording" --timed; stop_all; echo "$latency" >>"$work/latency.gild"; }
measure_timed_plain () { serve_qcow2 "$image"; load "$recording" --timed; stop_all; echo "$latency" >>"$work/latency.plain"; }

rows_of_reading ()
{
    prepare_images
    say 'reading through NBD (qemu-nbd)'
    start_both
    uri=$uri_gild
    random_reads >"$work/random.requests"
    cpu_gild=$(cpu_seconds "$pid_gild") cpu_zstd=$(cpu_seconds "$pid_zstd")
    alternate $((2 * rounds + 1)) whole_gild whole_zstd
    row 'whole image through NBD, 1 connection' s "$(result whole_gild)" 'qemu-nbd, zstd qcow2' "$(result whole_zstd)" '>=1.5'
    say_cpu $((2 * rounds + 1))
    alternate $((2 * rounds + 1)) random_gild random_zstd
    row "$RANDOM_READS random reads of 4 KiB, depth 16" s "$(result random_gild)" 'qemu-nbd, zstd qcow2' "$(result random_zstd)" '>=1.5'
    say_cpu $((2 * rounds + 1))
    stop_all
    alternate "$rounds" first_gild first_zstd
    row 'whole image, nbdkit just started' s "$(result first_gild)" 'qemu-nbd, zstd qcow2' "$(result first_zstd)" '>='

    recording=$image.boot-requests
    if [ ! "$recording" -nt "$image" ] && ! record_boot; then
        skipped 'recorded boot' 'the image does not come to a login on its serial console'
        return
    fi
    use_one_core_each
    serve_gild
    uri_gild=$uri
    load "$recording"
    serve_qcow2 "$image"
    uri_plain=$uri
    alternate $((2 * rounds + 1)) burst_gild burst_plain
    row 'recorded boot, back to back' s "$(result burst_gild)" 'qemu-nbd, plain qcow2' "$(result burst_plain)" 1.5
    stop_all
    alternate $((2 * rounds + 1)) first_burst_gild first_burst_plain
    row 'recorded boot, nbdkit just started' s "$(result first_burst_gild)" 'qemu-nbd, plain qcow2' "$(result first_burst_plain)" ''
    use_both_cores
    rm -f "$work"/latency.*
    alternate "$timed_rounds" timed_gild timed_plain
    row 'recorded boot, at its times' s "$(result timed_gild)" 'qemu-nbd, plain qcow2' "$(result timed_plain)" 1.05
    say "  (mean latency of a request: gild $(median "$work/latency.gild") us, qemu-nbd $(median "$work/latency.plain") us)"
}
