#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What an office with gild, and one without, take to boot: a line "WHAT VALUE" for each figure.
#
# GILD_BENCH_PCS PCs (20) on ports of GILD_BENCH_LINK (100mbit). Stock is a qcow2 overlay on each PC over nbd://srv1.
. "$(dirname "$0")/../office/lib.sh"
. "$(dirname "$0")/../office/boot.sh"
readonly PCS=${GILD_BENCH_PCS:-20} LINK=${GILD_BENCH_LINK:-100mbit} NBD_PORT=10809
# A person's PC thinks faster than the TCG that the boot was recorded on.
readonly SPEED_UP=${GILD_BENCH_SPEED_UP:-8}

figure ()
{
    echo "$1 $2" >&3
    echo "$1 $2" >&2
}

pcs ()
{
    seq -f 'pc%.0f' "$1" "$2"
}

# client_overlay HOST BACKING: what a guest there would boot from, in $tmp/HOST.sock.
client_overlay ()
{
    rm -f "$tmp/$1.qcow2" "$tmp/$1.sock"
    qemu-img create -q -u -f qcow2 -o cluster_size=64k,extended_l2=on,backing_fmt=raw -b "$2" "$tmp/$1.qcow2" "$disk_bytes"
    on_seconds=600 on "$1" qemu-nbd --persistent --format=qcow2 --socket="$tmp/$1.sock" "$tmp/$1.qcow2" >>"$tmp/qemu-nbd.log" 2>&1 &
    client_pid[$1]=$!
    wait_for 10 test -S "$tmp/$1.sock"
}

client_end ()
{
    stop "${client_pid[$1]}"
    rm -f "$tmp/$1.qcow2"
}

# replay HOST [OPTION…]: a boot there; its seconds are the first word of $tmp/HOST.boot.
replay ()
{
    on_seconds=1200 on "$1" "$build/tests/bench/nbd-load" --think "${@:2}" "nbd+unix:///?socket=$tmp/$1.sock" \
        <"$requests" >"$tmp/$1.boot" 2>"$tmp/$1.boot-error"
}

# boot_all HOST…: all of them at once; the slowest one's seconds in $slowest, how many came to the end in $booted.
boot_all ()
{
    local host pids=()
    booted=0
    for host; do
        replay "$host" &
        pids+=($!)
    done
    for host in "${pids[@]}"; do
        ! wait "$host" || booted=$((booted + 1))
    done
    slowest=$(for host; do cut -d ' ' -f 1 "$tmp/$host.boot"; done | sort -n | tail -n 1)
}

median_boot ()
{
    for host; do cut -d ' ' -f 1 "$tmp/$host.boot"; done | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# cpu_ms PID: that it has used so far.
cpu_ms ()
{
    awk -v tick="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000 / tick }' "/proc/$1/stat"
}

# boot_bytes: of the chunks that a boot touches, as they lie in srv1's store.
boot_bytes ()
{
    local index=/var/lib/gild/images/demo/debian/1.caibx
    on srv1 cat "$index" | tail -c +65 | od -An -v -tx1 -w40 | tr -d ' ' | cut -c 17-80 >"$tmp/ids"
    awk '{ for (c = int($3 / 65536); c * 65536 < $3 + $4; c++) if (!seen[c]++) print c + 1 }' "$requests" |
        awk 'NR == FNR { wanted[$1]; next } FNR in wanted { print substr($0, 1, 4) "/" $0 ".cacnk" }' - "$tmp/ids" |
        sort -u >"$tmp/boot-chunks"
    on srv1 bash -c 'cd /var/lib/gild/store.castr && xargs stat -c %s 2>/dev/null' <"$tmp/boot-chunks" | awk '{ n += $1 } END { print n }'
}

prepare_golden ()
{
    qemu-img convert -f qcow2 -O raw "$golden_debian" "$tmp/golden.raw"
    disk_bytes=$(stat -c %s "$tmp/golden.raw")
    record_boot "$tmp/golden.raw"
    requests=$tmp/boot.requests
    awk -v f="$SPEED_UP" '{ $1 = sprintf("%.6f", $1 / f); print }' "$boot_requests" >"$requests"
    figure think-seconds "$(awk '{ n[NR] = n[$5] + $1; if (n[NR] > m) m = n[NR] } END { print m }' "$requests")"
    figure boot-reads "$(awk '{ n += $4 } END { print n }' "$requests")"
}

# measure_stock: srv1's qemu-nbd feeds one PC, then all of them.
measure_stock ()
{
    local host before
    on_seconds=3600 on srv1 qemu-nbd --read-only --persistent --shared=64 --format=qcow2 --port=$NBD_PORT "$golden_debian" 2>>"$tmp/qemu-nbd.log" &
    stock_pid=$!
    wait_for 10 on srv1 nbdinfo --size "nbd://127.0.0.1:$NBD_PORT"
    for host in $(pcs 1 "$PCS"); do
        client_overlay "$host" "nbd://${host_address[srv1]}:$NBD_PORT"
    done
    boot_all pc1
    figure stock-one-seconds "$slowest"
    client_end pc1
    client_overlay pc1 "nbd://${host_address[srv1]}:$NBD_PORT"
    before=$(bytes_out srv1)
    # shellcheck disable=SC2046
    boot_all $(pcs 1 "$PCS")
    figure stock-all-seconds "$slowest"
    figure stock-all-bytes $(($(bytes_out srv1) - before))
    for host in $(pcs 1 "$PCS"); do
        client_end "$host"
    done
    stop "$stock_pid"
}

# What a PC with its own qcow2 takes.
measure_local ()
{
    local local_pid
    on_seconds=3600 on pc1 qemu-nbd --read-only --persistent --shared=64 --format=qcow2 --socket="$tmp/local.sock" "$golden_debian" 2>>"$tmp/qemu-nbd.log" &
    local_pid=$!
    wait_for 10 test -S "$tmp/local.sock"
    client_overlay pc1 "nbd+unix:///?socket=$tmp/local.sock"
    boot_all pc1
    client_end pc1
    client_overlay pc1 "nbd+unix:///?socket=$tmp/local.sock"
    boot_all pc1
    figure local-seconds "$slowest"
    client_end pc1
    stop "$local_pid"
}

declare -A client_pid=()
exec 3>"${GILD_BENCH_FIGURES:?}"
office_up
prepare_golden
add_host srv1
limit srv1 "$LINK"
for host in $(pcs 1 "$PCS"); do
    add_host "$host" $'[fetch]\nprefetch=never'
    limit "$host" "$LINK"
done
measure_local
measure_stock
tap_done=1
