# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A boot of the golden Debian: recorded once, with what the guest thinks between two reads, and replayed by nbd-load.
# Needs $srcdir, $build, $tmp and tests/lib.sh.

golden_debian=$srcdir/demo/cache/debian-minimal.qcow2
boot_requests=$golden_debian.boot-thinking

# think_requests LOG: what nbdkit's log filter wrote, as nbd-load --think reads it. A request is taken to wait for
# the last answer before it.
think_requests ()
{
    awk 'function number (hex,    i, v) { for (i = 1; i <= length(hex); i++) v = v * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1; return v }
         function field (name) { match($0, name "=0x[0-9a-f]+"); return number(substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3)) }
         / \.*Read id=/ { split($2, t, ":"); now = t[1] * 3600 + t[2] * 60 + t[3]
                          if (!n && !answered) first = now
                          if (now < first) now += 86400 }
         / Read id=/ { place[$3 $5] = ++n
                       printf "%.6f read %.0f %.0f %d\n", now - (answered ? answered_at : first), field("offset"), field("count"), answered }
         / \.\.\.Read id=/ { answered = place[$3 $5]; answered_at = now }' "$1"
}

# record_boot RAW: boot it to the login on its console, unless that was done before; what it read is then in
# $boot_requests.
record_boot ()
{
    local size qemu nbdkit
    [ ! "$boot_requests" -nt "$golden_debian" ] || return 0
    nbdkit --foreground --readonly --unix "$tmp/record.sock" --filter=log file "$1" "logfile=$tmp/record.log" &
    nbdkit=$!
    wait_for 10 test -S "$tmp/record.sock"
    size=$(stat -c %s "$1")
    qemu-img create -q -u -f qcow2 -o cluster_size=64k,extended_l2=on,backing_fmt=raw \
        -b "nbd+unix:///?socket=$tmp/record.sock" "$tmp/record.qcow2" "$size"
    qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1024 -display none -no-reboot -nic none \
        -serial "file:$tmp/record.console" -drive "file=$tmp/record.qcow2,format=qcow2,if=virtio" >"$tmp/record.err" 2>&1 &
    qemu=$!
    wait_for 300 grep -q 'login:' "$tmp/record.console" || { diag_file "$tmp/record.console" "$tmp/record.err"; stop "$qemu"; return 1; }
    stop "$qemu"
    stop "$nbdkit"
    think_requests "$tmp/record.log" >"$tmp/record.requests"
    cp "$tmp/record.requests" "$boot_requests" 2>/dev/null || boot_requests=$tmp/record.requests
    rm "$tmp/record.qcow2" "$tmp/record.log"
}

# boot_chunks REQUESTS: how many chunks of 64 KiB they touch.
boot_chunks ()
{
    awk '{ for (c = int($3 / 65536); c * 65536 < $3 + $4; c++) if (!seen[c]++) n++ } END { print n + 0 }' "$1"
}
