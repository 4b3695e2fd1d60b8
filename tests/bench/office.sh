# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rows: an office of PCs, against the same PCs with a qcow2 overlay each over nbd:// and one qemu-nbd.

readonly OFFICE_PCS=${GILD_BENCH_PCS:-20}

# figure NAME: what the office has reported.
figure ()
{
    figures "$1" | tail -n 1
}

# office_row NAME ROW…: a row, if the office has come so far as to report NAME.
office_row ()
{
    [ -n "$(figure "$1")" ] || { skipped "$2" 'the office did not come so far'; return 0; }
    row "${@:2}"
}

# beyond_row NAME THINK STOCK: what that boot takes beyond what its guest thinks, which no server can make shorter.
beyond_row ()
{
    [ -n "$(figure "$3")" ] || return 0
    office_row "$1" 'the same, beyond what the guest thinks' s "$(beyond "$1" "$2")" 'qemu-nbd, overlay' "$(beyond "$3" "$2")" ''
}

beyond ()
{
    awk -v a="$(figure "$1")" -v b="$(figure "$2")" 'BEGIN { print a - b }'
}

rows_of_office ()
{
    local boot stock
    say "an office of $OFFICE_PCS PCs"
    if [ "$(id -u)" != 0 ] || [ ! -d "$build/tests/root" ]; then
        skipped "an office of $OFFICE_PCS PCs" 'it needs root, and make test-host'
        return
    fi
    : >"$work/figures"
    env -u GILD_CONFIG builddir="$build" GILD_BENCH_FIGURES="$work/figures" GILD_BENCH_PCS="$OFFICE_PCS" TMPDIR=/var/tmp \
        bash "$here/office-host.sh" >>"$work/commands.log" 2>&1 </dev/null || {
        say "the office ended early:"
        tail -n 20 "$work/commands.log" >&2
    }
    boot=$(figure boot-bytes) stock=$(figure stock-one-seconds)
    say "  (a boot reads $(figure boot-reads) bytes in $(figure think-seconds) s and more; $boot bytes of chunks)"
    office_row all-cold-bytes "$OFFICE_PCS cold PCs at once, out of the origin" bytes "$(figure all-cold-bytes)" 'the chunks of one boot' "$boot" 1.3
    office_row all-cold-bytes "$OFFICE_PCS cold PCs at once, out of the origin" bytes "$(figure all-cold-bytes)" 'qemu-nbd, overlays' "$(figure stock-all-bytes)" ''
    office_row all-cold-seconds 'the slowest of them' s "$(figure all-cold-seconds)" 'one PC alone' "$(figure one-cold-seconds)" 1.5
    office_row all-cold-seconds 'the slowest of them' s "$(figure all-cold-seconds)" 'qemu-nbd, overlays' "$(figure stock-all-seconds)" ''
    office_row all-cold-seconds 'the slowest of them' s "$(figure all-cold-seconds)" 'each from a local qcow2' "$(figure local-all-seconds)" ''
    office_row one-cold-seconds 'one cold PC over 100 Mbit/s' s "$(figure one-cold-seconds)" 'qemu-nbd, overlay' "$stock" 0.5
    beyond_row one-cold-seconds think-seconds stock-one-seconds
    office_row one-cold-seconds 'the same' s "$(figure one-cold-seconds)" "the link's time for its chunks" "$(figure one-floor-seconds)" 1.1
    office_row one-fast-seconds "the same, a boot of $(figure fast-think-seconds) s" s "$(figure one-fast-seconds)" 'qemu-nbd, overlay' "$(figure stock-fast-seconds)" 0.5
    beyond_row one-fast-seconds fast-think-seconds stock-fast-seconds
    office_row one-fast-seconds 'the same' s "$(figure one-fast-seconds)" "the link's time for its chunks" "$(figure fast-floor-seconds)" 1.1
    office_row prefetched-bytes 'after prefetch, out of the origin' bytes "$(figure prefetched-bytes)" 'the chunks of a boot' "$boot" 0.01
    office_row prefetched-seconds 'after prefetch' s "$(figure prefetched-seconds)" 'a local qcow2' "$(figure local-seconds)" 1.1
    office_row whole-link 'whole image over 1 Gbit/s' '% of the link' "$(figure whole-link)" '' '' '>=90'
    office_row whole-client-cores 'the client for it' cores "$(figure whole-client-cores)" '' '' 0.5
    office_row whole-server-cpu 'the server with TLS, for a GiB of guest data' CPU-s "$(figure whole-server-cpu)" 'qemu-nbd with TLS' "$(figure stock-tls-server-cpu)" 0.5
    office_row heartbeats-cpu 'an origin with 250 idle hosts' '% of a core' "$(figure heartbeats-cpu)" '' '' 5
    office_row heartbeats-memory 'an origin with 250 idle hosts' MiB "$(figure heartbeats-memory)" '' '' 64
    office_row heartbeats-errors 'their heartbeats that failed' heartbeats "$(figure heartbeats-errors)" '' '' 0
    office_row month-bytes 'a PC 30 versions behind' bytes "$(figure month-bytes)" 'what differs' "$(figure month-differs)" 1.1
    office_row kill-booted 'origin killed while 8 boot: boots that end' boots "$(figure kill-booted)" '' '' '>=8'
}
