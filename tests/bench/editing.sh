# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rows: publishing what an edit has changed, against making all of it anew, and against the size of the image.

readonly EDIT_WRITES=4096 EDIT_LARGE_GIB=40

# edit_commands FILE: qemu-io's, that write 16 MiB in 4 KiB places all over the data of the qcow2 FILE, the same
# places each time.
edit_commands ()
{
    head -c 4096 /dev/urandom >"$work/edit-4k"
    qemu-img map -f qcow2 --output=json "$1" | jq -r '.[] | select(.data) | "\(.start) \(.length)"' |
        awk -v n=$EDIT_WRITES -v source="$work/edit-4k" '
            { start[NR] = total; at[NR] = $1; total += int ($2 / 4096) }
            END {
                srand (1)
                for (i = 0; i < n; i++) {
                    place = int (rand () * total)
                    first = 1
                    end = NR + 1
                    while (end - first > 1) {
                        middle = int ((first + end) / 2)
                        if (start[middle] <= place) first = middle; else end = middle
                    }
                    printf "write -q -s %s %.0f 4k\n", source, at[first] + (place - start[first]) * 4096
                }
            }' >"$work/edit-commands"
}

# measure_edit IMAGE FILE: the seconds after COMMAND, as gild tells them; FILE is what the image was made from.
measure_edit ()
{
    edit_commands "$2"
    # shellcheck disable=SC2016
    "${as_user[@]}" gild edit "$1" --json -- sh -c 'qemu-io -f qcow2 -d unmap "$GILD_DISK" <"$1" >/dev/null' - "$work/edit-commands" \
        >"$work/edit.json" 2>>"$work/commands.log" || die_of "$work/commands.log" "gild edit $1"
    elapsed=$(jq .seconds "$work/edit.json")
}

measure_edit_image ()
{
    measure_edit bench/image "$image"
}

measure_edit_large ()
{
    measure_edit bench/large "$work/large.qcow2"
}

publish_large ()
{
    "$here/make-large-qcow2" "$work/large.qcow2" $EDIT_LARGE_GIB
    timed "${as_user[@]}" gild publish bench/large "$work/large.qcow2"
}

rows_of_editing ()
{
    say 'editing (qemu-io, casync)'
    prepare_images
    [ -e "$work/image.raw" ] || qemu-img convert -f qcow2 -O raw "$image" "$work/image.raw"
    publish_large
    start "$run/nbd.sock" "${as_user[@]}" nbdkit --foreground --readonly --unix "$run/nbd.sock" "$plugin" "config=$GILD_CONFIG"
    alternate "$rounds" edit_image edit_large casync_make
    stop_all
    row 'publish 16 MiB written in 4 KiB places' s "$(result edit_image)" '' '' 1
    row 'publish 16 MiB written in 4 KiB places' s "$(result edit_image)" 'casync make' "$(result casync_make)" 0.05
    row "the same in $EDIT_LARGE_GIB GiB of data" s "$(result edit_large)" 'in the image' "$(result edit_image)" 1.5
}
