# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rows: what a night takes beside what its scripts do.

readonly NIGHT_IMAGES='a b c d e'

night_needs ()
{
    local name
    new_state
    printf '[nightly]\nscripts=%s\nhosts-wait=0\n' "$work/nightly.d" | cat "$GILD_CONFIG" - >"$work/night.conf"
    "${as_user[@]}" mkdir -p "$work/nightly.d/bench"
    for name in $NIGHT_IMAGES; do
        "${as_user[@]}" gild publish "bench/$name" "$image" >>"$work/commands.log" 2>&1 ||
            die_of "$work/commands.log" 'gild publish'
        printf '#!/bin/sh\nexit 0\n' | "${as_user[@]}" tee "$work/nightly.d/bench/$name" >/dev/null
        "${as_user[@]}" chmod 755 "$work/nightly.d/bench/$name"
    done
    start "$run/nbd.sock" "${as_user[@]}" nbdkit --foreground --readonly --unix "$run/nbd.sock" "$plugin" "config=$GILD_CONFIG"
}

measure_night ()
{
    timed "${as_user[@]}" gild nightly --config "$work/night.conf"
}

rows_of_night ()
{
    say 'a night'
    night_needs
    alternate "$rounds" night
    stop_all
    row 'a night for 5 images, nothing changed' s "$(result night)" '' '' 10
}
