# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rows: what a guest's writes and discards do to an overlay in memory.

readonly WRITES=4000

# serve_overlay OPTIONS: an overlay over the image as QEMU writes it, in memory; $uri is it, $golden_log what it
# asks of the image.
serve_overlay ()
{
    local backing size
    golden_log=$work/golden.log
    : >"$golden_log"
    chmod 666 "$golden_log"
    serve_gild --filter=log "logfile=$golden_log"
    backing=$uri
    size=$(nbdinfo --size "$uri")
    rm -f "$memory/overlay.qcow2"
    qemu-img create -q -u -f qcow2 -o "$1,backing_fmt=raw" -b "$backing" "$memory/overlay.qcow2" "$size"
    uri="nbd+unix:///?socket=$work/overlay.sock"
    start "$work/overlay.sock" qemu-nbd --persistent --format=qcow2 --discard=unmap --detect-zeroes=unmap \
        --socket="$work/overlay.sock" "$memory/overlay.qcow2"
    golden_reads_before=$(golden_reads)
}

golden_reads ()
{
    grep -c ' Read id=' "$golden_log" || true
}

overlay_bytes ()
{
    echo $(($(stat -c %b "$memory/overlay.qcow2") * 512))
}

# random_writes: aligned, no place twice, over the first 8 GiB.
random_writes ()
{
    awk -v n=$WRITES 'BEGIN { srand(2); while (k < n) { x = int(rand() * 2097152); if (!(x in seen)) { seen[x]; k++; printf "0 write %.0f 4096\n", x * 4096 } } }'
}

# sequence OPERATION: 64 MiB at 1 GiB, 64 KiB at a time.
sequence ()
{
    awk -v operation="$1" 'BEGIN { for (i = 0; i < 1024; i++) printf "0 %s %.0f 65536\n", operation, 1073741824 + i * 65536 }'
}

write_into ()
{
    serve_overlay "$1"
    load "$work/writes.requests"
    echo "$(overlay_bytes) $(($(golden_reads) - golden_reads_before))" >"$work/overlay.$2"
    stop_all
}

measure_write_ours () { write_into cluster_size=64k,extended_l2=on ours; }
measure_write_plain () { write_into cluster_size=64k plain; }

rows_of_overlay ()
{
    local ours plain reads before after
    prepare_images
    say 'the overlay (qcow2 as qemu-img makes it)'
    random_writes >"$work/writes.requests"
    alternate "$rounds" write_ours write_plain
    read -r ours reads <"$work/overlay.ours"
    read -r plain _ <"$work/overlay.plain"
    row 'RAM for 4 KiB random writes' bytes "$ours" 'the bytes written' $((WRITES * 4096)) 1.15
    row 'RAM for 4 KiB random writes' bytes "$ours" 'ordinary qcow2 overlay' "$plain" 1
    row 'reads of the golden image for them' requests "$reads" '' '' 0
    row 'time for them' s "$(result write_ours)" 'ordinary qcow2 overlay' "$(result write_plain)" 1

    sequence write >"$work/writes.requests"
    sequence discard >"$work/discards.requests"
    serve_overlay cluster_size=64k,extended_l2=on
    load "$work/writes.requests"
    before=$(overlay_bytes)
    load "$work/discards.requests"
    after=$(overlay_bytes)
    stop_all
    rm -f "$memory/overlay.qcow2"
    row 'RAM given back after trimming 64 KiB and more' % "$(calculate "100 * ($before - $after) / (64 * 1048576)")" '' '' '>=95'
    row 'time until it is given back' s "$elapsed" '' '' 1
}
