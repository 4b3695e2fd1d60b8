#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What an office with gild, and one without, take to boot: a line "WHAT VALUE" for each figure.
#
# GILD_BENCH_PCS PCs (20) on ports of GILD_BENCH_LINK (100mbit). Stock is a qcow2 overlay on each PC over nbd://srv1.
. "$(dirname "$0")/../office/lib.sh"
. "$(dirname "$0")/../office/boot.sh"
readonly PCS=${GILD_BENCH_PCS:-20} LINK=${GILD_BENCH_LINK:-100mbit} NBD_PORT=10809
readonly ZERO_CHUNK=$(head -c 65536 /dev/zero | sha256sum | cut -c -64)
# What a boot takes with nothing to wait for: without KVM, on a PC that does nothing else (what else ran while the boot
# was recorded is none of it); and with KVM.
readonly THINK_SECONDS=${GILD_BENCH_THINK:-12} FAST_SECONDS=3

figure ()
{
    echo "$1 $2" >&3
    echo "$1 $2" >&2
}

say ()
{
    echo "$*" >&2
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
    start_on "$1" qemu-nbd --persistent --format=qcow2 --socket="$tmp/$1.sock" "$tmp/$1.qcow2" >>"$tmp/qemu-nbd.log" 2>&1
    client_pid=$started_pid
    wait_for 10 test -S "$tmp/$1.sock"
}

client_end ()
{
    stop "$client_pid"
    rm -f "$tmp/$1.qcow2"
}

# stock_begin HOST and local_begin HOST: over a qcow2 of srv1's, or of its own.
stock_begin ()
{
    client_overlay "$1" "nbd://${host_address[srv1]}:$NBD_PORT"
}

local_begin ()
{
    client_overlay "$1" "nbd+unix:///?socket=$tmp/local-image.sock"
}

stock_end () { client_end "$1"; }
local_end () { client_end "$1"; }

# gild_begin HOST: a desktop that is prepared, as libvirt's hook has it done.
gild_begin ()
{
    on "$1" curl -sS --fail --unix-socket "$run/gildd.sock" -H 'Content-Type: application/json' \
        -d '{"uuid": "11111111-2222-4333-8444-555555555555", "disks": [{"target": "vda", "image": "demo/debian"}]}' \
        http://localhost/desktops/bench/prepare >>"$office_log"
    client_overlay "$1" "nbd+unix:///demo/debian@1?socket=$run/nbd.sock"
}

gild_end ()
{
    client_end "$1"
    on "$1" curl -sS --fail -X DELETE --unix-socket "$run/gildd.sock" http://localhost/desktops/bench >>"$office_log"
}

# boot KIND HOST: its seconds are the first word of $tmp/HOST.boot.
boot ()
{
    local result=0
    rm -f "$tmp/$2.boot"
    "$1_begin" "$2"
    on_seconds=1200 on "$2" "$build/tests/bench/nbd-load" --think "nbd+unix:///?socket=$tmp/$2.sock" \
        <"$requests" >"$tmp/$2.boot" 2>"$tmp/$2.boot-error" || result=1
    "$1_end" "$2"
    return "$result"
}

# boots KIND HOST…: all of them at once; the slowest one's seconds in $slowest, how many came to the end in $booted,
# and what srv1 sent for them in $sent.
boots ()
{
    local kind=$1 host before pids=()
    shift
    before=$(bytes_out srv1)
    booted=0
    for host; do
        boot "$kind" "$host" &
        pids+=($!)
    done
    for host in "${pids[@]}"; do
        ! wait "$host" || booted=$((booted + 1))
    done
    sent=$(($(bytes_out srv1) - before))
    slowest=$(for host; do cut -d ' ' -f 1 "$tmp/$host.boot"; done | sort -n | tail -n 1)
    [ "$booted" = $# ] || cat "$tmp"/*.boot-error >&2
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
    on srv1 bash -c 'cd /var/lib/gild/store.castr && xargs stat -c "%n %s" 2>/dev/null' <"$tmp/boot-chunks" |
        sed 's,^..../\(.*\)\.cacnk,\1,' >"$tmp/chunk-sizes"
    awk '{ n += $2 } END { print n }' "$tmp/chunk-sizes"
}

# link_floor FILE: seconds that the boot takes at least if all of its chunks come over $LINK: one after the other, in the
# order in which they are read, with nothing else on the link. Needs what boot_bytes has left.
link_floor ()
{
    awk '{ n[NR] = n[$5] + $1; for (c = int($3 / 65536); c * 65536 < $3 + $4; c++) print n[NR], c + 1 }' "$1" | sort -n |
        awk -v rate="$(awk -v link="${LINK%mbit}" 'BEGIN { print link * 125000 * 1448 / 1514 }')" -v think="$(think "$1")" '
            FILENAME == ARGV[1] { size[$1] = $2 }
            FILENAME == ARGV[2] { id[FNR] = $1 }
            FILENAME == "-" && !came[id[$2]]++ { at += size[id[$2]] / rate; if (at - $1 > late) late = at - $1 }
            END { print think + late }' "$tmp/chunk-sizes" "$tmp/ids" -
}

# think FILE: seconds from its first request to its last with a server that answers at once.
think ()
{
    awk '{ n[NR] = n[$5] + $1; if (n[NR] > m) m = n[NR] } END { print m }' "$1"
}

# requests_in SECONDS: the boot with so much to think, to stdout.
requests_in ()
{
    awk -v f="$(think "$boot_requests")" -v s="$1" '{ $1 = sprintf("%.6f", $1 * s / f); print }' "$boot_requests"
}

prepare_golden ()
{
    qemu-img convert -f qcow2 -O raw "$golden_debian" "$tmp/golden.raw"
    disk_bytes=$(stat -c %s "$tmp/golden.raw")
    record_boot "$tmp/golden.raw"
    requests_in "$THINK_SECONDS" >"$tmp/boot.requests"
    requests_in "$FAST_SECONDS" >"$tmp/fast.requests"
    requests=$tmp/boot.requests
    figure think-seconds "$(think "$requests")"
    figure fast-think-seconds "$(think "$tmp/fast.requests")"
    figure boot-reads "$(awk '{ n += $4 } END { print n }' "$requests")"
}

# stock_server HOST OPTION…: its qemu-nbd, whose PID is $stock_pid.
stock_server ()
{
    start_on "$1" qemu-nbd --read-only --persistent --shared=64 --format=qcow2 "${@:2}" "$golden_debian" 2>>"$tmp/qemu-nbd.log"
    stock_pid=$started_pid
}

measure_stock ()
{
    stock_server srv1 --port=$NBD_PORT
    wait_for 10 on srv1 nbdinfo --size "nbd://127.0.0.1:$NBD_PORT"
    boots stock pc1
    figure stock-one-seconds "$slowest"
    requests=$tmp/fast.requests
    boots stock pc1
    figure stock-fast-seconds "$slowest"
    requests=$tmp/boot.requests
    # shellcheck disable=SC2046
    boots stock $(pcs 1 "$PCS")
    figure stock-all-seconds "$slowest"
    figure stock-all-bytes "$sent"
    stop "$stock_pid"
}

measure_local ()
{
    stock_server pc1 --socket="$tmp/local-image.sock"
    wait_for 10 test -S "$tmp/local-image.sock"
    boots local pc1
    boots local pc1
    figure local-seconds "$slowest"
    stop "$stock_pid"
}

# As many at once, which is what this machine's cores allow: all of these PCs are on it.
measure_local_all ()
{
    stock_server pc1 --socket="$tmp/local-image.sock"
    wait_for 10 test -S "$tmp/local-image.sock"
    # shellcheck disable=SC2046
    boots local $(pcs 1 "$PCS")
    figure local-all-seconds "$slowest"
    stop "$stock_pid"
}

start_site ()
{
    on srv1 gild init office >>"$office_log" 2>&1
    start_host srv1
    on srv1 gild publish demo/debian "$golden_debian" >>"$office_log" 2>&1
    figure boot-bytes "$(boot_bytes)"
    figure one-floor-seconds "$(link_floor "$tmp/boot.requests")"
    figure fast-floor-seconds "$(link_floor "$tmp/fast.requests")"
    # The admin's own look at the new version is its first boot.
    boots gild srv1
    figure first-boot-seconds "$slowest"
}

# join_pcs HOST…: and each of them has the records.
join_pcs ()
{
    local host
    for host; do
        if on "$host" test -e "$state/site/host.pem"; then
            on "$host" gild-services start >>"$office_log" 2>&1
        else
            join srv1 "$host"
        fi
    done
    for host; do
        wait_for 120 has_version "$host" demo/debian@1
        wait_for 120 lives "$host" srv1
    done
}

all_live ()
{
    [ "$(on "$1" gild hosts --json | jq '[.hosts[] | select(.seen != null and .seen < 30)] | length')" -ge "$PCS" ]
}

measure_one_cold ()
{
    join_pcs pc1
    boots gild pc1
    figure one-cold-seconds "$slowest"
    figure one-cold-bytes "$sent"
    empty_store pc1
    wait_for 120 lives pc1 srv1
    requests=$tmp/fast.requests
    boots gild pc1
    figure one-fast-seconds "$slowest"
    requests=$tmp/boot.requests
}

# left_alone HOST…: how often one of them has given up another one for a while.
left_alone ()
{
    local host
    for host; do on "$host" cat "$run/gildd.log"; done | tee -a "$tmp/all-logs" | grep -c 'left alone' || :
}

measure_all_cold ()
{
    local host
    # shellcheck disable=SC2046
    join_pcs $(pcs 2 "$PCS")
    empty_store pc1
    for host in $(pcs 1 "$PCS"); do
        wait_for 120 all_live "$host" || say "$host does not know all of the others"
    done
    # shellcheck disable=SC2046
    boots gild $(pcs 1 "$PCS")
    figure all-cold-seconds "$slowest"
    # shellcheck disable=SC2046
    figure all-cold-median-seconds "$(median_boot $(pcs 1 "$PCS"))"
    figure all-cold-bytes "$sent"
    figure all-cold-booted "$booted"
    # shellcheck disable=SC2046
    figure all-cold-left-alone "$(left_alone $(pcs 1 "$PCS"))"
}

measure_prefetched ()
{
    on_seconds=600 on pc1 gild fetch demo/debian >>"$office_log" 2>&1
    boots gild pc1
    boots gild pc1
    figure prefetched-seconds "$slowest"
    figure prefetched-bytes "$sent"
}

is_quiet ()
{
    on "$1" gild hosts --json | jq -e '[.hosts[] | select(.seen != null and .seen < 45)] | length <= 2' >/dev/null
}

# The whole image over 1 Gbit/s, by a PC that has no other peer; the server's work for it, and qemu-nbd's.
measure_whole ()
{
    local before server client from seconds data other
    for other in $(pcs 2 "$PCS"); do
        stop_host "$other"
    done
    limit srv1 1gbit
    empty_store pc1
    wait_for 120 is_quiet pc1
    data=$(golden_data -u)
    server=$(cpu_ms "$(gildd_of srv1)") client=$(cpu_ms "$(gildd_of pc1)")
    before=$(bytes_in pc1) from=$EPOCHREALTIME
    on_seconds=600 on pc1 gild fetch demo/debian >>"$office_log" 2>&1
    seconds=$(awk -v a="$EPOCHREALTIME" -v b="$from" 'BEGIN { print a - b }')
    figure whole-seconds "$seconds"
    figure whole-link "$(awk -v bytes=$(($(bytes_in pc1) - before)) -v s="$seconds" 'BEGIN { print 100 * bytes / s / 125e6 }')"
    figure whole-client-cores "$(awk -v ms=$(($(cpu_ms "$(gildd_of pc1)") - client)) -v s="$seconds" 'BEGIN { print ms / 1000 / s }')"
    figure whole-server-cpu "$(awk -v ms=$(($(cpu_ms "$(gildd_of srv1)") - server)) -v bytes="$data" 'BEGIN { print ms / 1000 / (bytes / 1024 ^ 3) }')"
}

gildd_of ()
{
    pgrep -P "$(on "$1" cat "$run/gildd.pid")"
}

# golden_data [-u]: bytes of the image in chunks that are not zero; with -u in chunks that differ.
golden_data ()
{
    grep -v "^$ZERO_CHUNK" "$tmp/ids" | sort "$@" | wc -l | awk '{ print $1 * 65536 }'
}

# measure_stock_tls: the same data, from qemu-nbd with the site's certificates and the same cipher.
measure_stock_tls ()
{
    local before
    mkdir -p "$tmp/tls"
    echo "${host_address[srv1]} srv1.gild.internal" >>/etc/hosts
    on srv1 cat "$state/site/ca.pem" >"$tmp/tls/ca-cert.pem"
    on srv1 cat "$state/site/host.pem" >"$tmp/tls/server-cert.pem"
    on srv1 cat "$state/site/host-key.pem" >"$tmp/tls/server-key.pem"
    cp "$tmp/tls/server-cert.pem" "$tmp/tls/client-cert.pem"
    cp "$tmp/tls/server-key.pem" "$tmp/tls/client-key.pem"
    stock_server srv1 --port=$NBD_PORT --tls-creds=tls0 --object \
        "tls-creds-x509,id=tls0,endpoint=server,dir=$tmp/tls,verify-peer=on,priority=NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM"
    wait_for 10 on pc1 nbdinfo --size "$(stock_uri)"
    before=$(cpu_ms "$stock_pid")
    on_seconds=600 on pc1 nbdcopy --connections=1 "$(stock_uri)" null:
    figure stock-tls-server-cpu "$(awk -v ms=$(($(cpu_ms "$stock_pid") - before)) -v bytes="$(golden_data)" 'BEGIN { print ms / 1000 / (bytes / 1024 ^ 3) }')"
    stop "$stock_pid"
}

stock_uri ()
{
    echo "nbds://srv1.gild.internal:$NBD_PORT/?tls-certificates=$tmp/tls"
}

# measure_month: what a PC fetches that has version 1 whole when there are 30 more.
measure_month ()
{
    local i before
    head -c 100M /dev/urandom >"$tmp/month.raw"
    on srv1 gild publish demo/month "$tmp/month.raw" >>"$office_log" 2>&1
    wait_for 120 has_version pc1 demo/month@1
    on pc1 gild fetch demo/month >>"$office_log" 2>&1
    unplug pc1
    for ((i = 0; i < 30; i++)); do
        dd if=/dev/urandom of="$tmp/month.raw" bs=64k count=32 seek=$((i % 10 * 100)) conv=notrunc status=none
        on srv1 gild publish demo/month "$tmp/month.raw" >>"$office_log" 2>&1
    done
    plug pc1
    wait_for 120 has_version pc1 demo/month@31
    before=$(bytes_in pc1)
    on pc1 gild fetch demo/month >>"$office_log" 2>&1
    figure month-bytes $(($(bytes_in pc1) - before))
    figure month-differs $((10 * 32 * 65536))
}

# measure_heartbeats: 250 hosts that are there and do nothing.
measure_heartbeats ()
{
    local hosts=250 seconds=60 gildd before senders
    mkdir -p "$tmp/tls"
    add_host many
    on many bash -c 'for ((i = 1; i <= 250; i++)); do ip address add 10.90.1.$i/16 dev eth0; done'
    on srv1 cat "$state/site/ca.pem" >"$tmp/tls/ca.pem"
    on srv1 cat "$state/site/ca-key.pem" >"$tmp/tls/ca-key.pem"
    on srv1 cat "$state/site/site.pub" >"$tmp/tls/site.pub"
    on srv1 gild-services restart >>"$office_log" 2>&1
    gildd=$(gildd_of srv1)
    start_on many "$build/tests/office/many-hosts" "$tmp/tls" "${host_address[srv1]}" "$OFFICE_PORT" 10.90.1.1 \
        "$hosts" "$seconds" 10 >"$tmp/many" 2>&1
    senders=$started_pid
    wait_for 120 grep -q start "$tmp/many"
    before=$(cpu_ms "$gildd")
    wait "$senders"
    figure heartbeats-cpu "$(awk -v ms=$(($(cpu_ms "$gildd") - before)) -v s="$seconds" 'BEGIN { print ms / 10 / s }')"
    figure heartbeats-memory "$(awk '/^VmHWM:/ { print $2 / 1024 }' "/proc/$gildd/status")"
    figure heartbeats-sent "$(tail -n 1 "$tmp/many" | cut -d ' ' -f 1)"
    figure heartbeats-errors "$(tail -n 1 "$tmp/many" | cut -d ' ' -f 2)"
}

# measure_kill: the origin dies while PCs boot; srv2 is a replica.
measure_kill ()
{
    local hosts host
    mapfile -t hosts < <(pcs 1 8)
    add_host srv2 $'[fetch]\nprefetch=never'
    limit srv2 "$LINK"
    limit srv1 "$LINK"
    join_pcs srv2
    on srv2 gild replica demo/debian >>"$office_log" 2>&1
    on_seconds=300 wait_for 300 is_complete srv2 demo/debian@1
    join_pcs "${hosts[@]}"
    for host in "${hosts[@]}"; do
        empty_store "$host"
    done
    for host in "${hosts[@]}"; do
        wait_for 120 lives "$host" srv2
    done
    (sleep 3; kill_host srv1) &
    boots gild "${hosts[@]}"
    figure kill-booted "$booted"
    figure kill-seconds "$slowest"
}

exec 3>"${GILD_BENCH_FIGURES:?}"
office_up
prepare_golden
add_host srv1
limit srv1 "$LINK"
for host in $(pcs 1 "$PCS"); do
    add_host "$host" $'[fetch]\nprefetch=never'
    limit "$host" "$LINK"
done
measures=${GILD_BENCH_MEASURES:-local local_all stock start_site one_cold all_cold prefetched whole stock_tls month kill heartbeats}
for measure in $measures; do
    say "$measure"
    case $measure in
    start_site) start_site ;;
    *) "measure_$measure" ;;
    esac
done
tap_done=1
