#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 at random instants: of nbdkit, gildd and libvirtd below a guest that works, and of the hook and gildd while
# desktops start and end. Nothing is lost, no guest sees an error, and nothing is left over.
#
# TORTURE_COUNT in the environment is how many kills; a tenth of them is below the guest.
. "$(dirname "$0")/lib.sh"
needs jq debugfs
host_up

readonly COUNT=${TORTURE_COUNT:-20}
readonly GUEST_COUNT=$(((COUNT + 9) / 10))
RANDOM=${TORTURE_SEED:-$RANDOM}

# random_sleep MS: up to that long.
random_sleep ()
{
    sleep "$(awk -v ms=$((RANDOM % ($1 + 1))) 'BEGIN { print ms / 1000 }')"
}

publish_golden ()
{
    gild publish demo/desktop "$guest_files/golden.qcow2" >/dev/null 2>&1
    desktop_attributes="overlay='48MiB'" template "target='vda' image='demo/desktop'" >"$tmp/template.xml"
    define pc1 "$tmp/template.xml"
    define pc2 "$tmp/template.xml"
}

# The guest copies, reads back and reads its image, until it is told to end; a line of checksums for each round.
readonly WORK='n=0; while [ ! -e /stop ]; do
    cat /mnt/vda/random /mnt/vda/random >/mnt/vda/copy$((n % 5)); sync; echo 3 >/proc/sys/vm/drop_caches;
    a=$(cat /mnt/vda/random /mnt/vda/random | md5sum); b=$(md5sum </mnt/vda/copy$((n % 5)));
    echo "@round $a $b"; n=$((n + 1)); done; echo @end'

test_below_a_guest ()
{
    local i what wanted rounds
    virsh -q start pc1 >/dev/null
    guest_up pc1
    guest_start pc1 "$(tr '\n' ' ' <<<"$WORK")"
    for ((i = 0; i < GUEST_COUNT; i++)); do
        random_sleep 1500
        what=$((RANDOM % 5))
        case $what in
        0 | 1) kill_service nbdkit ;;
        2 | 3) kill_service gildd ;;
        4) kill_libvirtd ;;
        esac
    done
    wanted=$(cat "$tmp/random" "$tmp/random" | md5sum | cut -c -32)
    guest_tell pc1 0 'touch /stop'
    guest_seconds=120 guest_lines pc1 @end >"$tmp/rounds" || :
    rounds=$(grep -c '@round' "$tmp/rounds" || :)
    run_ok "$GUEST_COUNT kills below a guest: it has come to the end of its work" test "$rounds" -gt 0
    is 'each byte that it has written and read was right' \
        "$(grep '@round' "$tmp/rounds" | tr -d '\r' | grep -cv "^@round $wanted  - $wanted  -$")" 0
    diag "$rounds rounds of 54 MiB"
    is 'it has seen no error' "$(disk_errors pc1)" none
    virsh -q destroy pc1
    leaves_nothing 'nothing is left' pc1
}

# In front of the hook: it is killed after some milliseconds, unless it was quicker.
put_killer_before_hook ()
{
    hook=/etc/libvirt/hooks/qemu.d/gild
    cp "$hook" /run/hook
    cat >"$hook" <<'END_OF_KILLER'
#!/bin/sh
if [ -e /run/kill-hook ]; then
    exec timeout --foreground -s KILL "0.0$(shuf -n 1 -i 10-45)" /run/hook "$@"
fi
exec /run/hook "$@"
END_OF_KILLER
}

# start_and_end NAME: whatever comes of it.
start_and_end ()
{
    virsh -q start "$1" >/dev/null 2>&1 || :
    random_sleep 100
    virsh -q destroy "$1" >/dev/null 2>&1 || :
}

answers ()
{
    gild status >/dev/null 2>&1
}

# Each round kills the hook (twice: before the start and at the end) or gildd.
test_starts_and_ends ()
{
    local i n_bad=0 said killer
    put_killer_before_hook
    for ((i = GUEST_COUNT; i < COUNT; i++)); do
        if [ $((i % 2)) = 0 ]; then
            touch /run/kill-hook
            start_and_end pc2
            rm /run/kill-hook
        else
            (random_sleep 250; kill_service gildd) &
            killer=$!
            start_and_end pc2
            wait "$killer"
            wait_for 10 answers || :
        fi
        said=$(virsh -q start pc2 2>&1) || { n_bad=$((n_bad + 1)); diag "round $i: $said"; }
        virsh -q destroy pc2 2>/dev/null || :
        wait_for 5 is_clean pc2 || { n_bad=$((n_bad + 1)); diag "round $i: $(ls "$run/desktops") is left"; }
    done
    is "$((COUNT - GUEST_COUNT)) kills of the hook and of gildd: each time the desktop starts again and leaves nothing" "$n_bad" 0
    is 'no mount is left' "$(grep -c "$run/desktops/" /proc/mounts)" 0
    is 'nor anything on disk' "$(ls -A "$state/spill")" ''
    run_ok 'and the store is whole' gild verify
}

qemu-img convert -f qcow2 -O raw "$guest_files/golden.qcow2" "$tmp/golden.raw"
debugfs -R 'cat random' "$tmp/golden.raw" >"$tmp/random" 2>"$tmp/debugfs.log"
rm "$tmp/golden.raw"
publish_golden
test_below_a_guest
test_starts_and_ends
diag "$COUNT kills, $GUEST_COUNT of them below a guest; $tap_failed tests failed"
done_testing
