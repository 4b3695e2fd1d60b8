# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rows: publishing, against what makes a compressed qcow2 and what makes the same chunks.

# put_aside PATH: what a round before left. ext4 is slow to make files after many were removed, so none are.
put_aside ()
{
    [ ! -e "$1" ] || mv "$1" "$work/old.$EPOCHREALTIME"
}

new_state ()
{
    put_aside "$work/state"
    "${as_user[@]}" mkdir -p "$work/state" "$run"
    "${as_user[@]}" gild init bench >>"$work/commands.log" 2>&1 || die_of "$work/commands.log" "gild init"
    sync -f "$work"
}

measure_publish ()
{
    new_state
    timed "${as_user[@]}" gild publish bench/image "$image"
}

measure_publish_again ()
{
    timed "${as_user[@]}" gild publish bench/image "$image"
}

measure_qemu_convert ()
{
    put_aside "$work/zstd.qcow2"
    sync -f "$work"
    timed qemu-img convert -c -o compression_type=zstd -f qcow2 -O qcow2 "$image" "$work/zstd.qcow2"
}

measure_casync_make ()
{
    put_aside "$work/casync"
    mkdir "$work/casync"
    sync -f "$work"
    timed casync make --store="$work/casync/default.castr" --chunk-size=65536:65536:65536 --digest=sha256 \
        "$work/casync/image.caibx" "$work/image.raw"
}

store_bytes ()
{
    find "$1" -name '*.cacnk' -printf '%s\n' | awk '{ n += $1 } END { print n }'
}

rows_of_publishing ()
{
    say 'publishing (qemu-img, casync)'
    [ -e "$work/image.raw" ] || qemu-img convert -f qcow2 -O raw "$image" "$work/image.raw"
    alternate "$rounds" publish publish_again qemu_convert casync_make
    row 'first publish' s "$(result publish)" 'qemu-img convert -c zstd' "$(result qemu_convert)" 0.6
    row 'first publish' s "$(result publish)" 'casync make' "$(result casync_make)" 0.15
    row 'publish again, nothing changed' s "$(result publish_again)" 'first publish' "$(result publish)" 0.3
    row 'store on disk' bytes "$(store_bytes "$work/state/store.castr")" casync "$(store_bytes "$work/casync")" 1
}

# What the other rows read, where the rows above did not leave it.
prepare_images ()
{
    [ -d "$work/state/images/bench" ] || measure_publish
    [ -e "$work/zstd.qcow2" ] || measure_qemu_convert
}
