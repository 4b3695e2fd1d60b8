#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild gc keeps what channels, running desktops, open indexes and --keep need, and nothing more.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq flock

readonly MIB=$((1024 * 1024))

# Each version has a MiB of its own.
publish_versions ()
{
    local i
    for ((i = 0; i < $2; i++)); do
        make_raw "$tmp/disk.raw" $((4 * MIB))
        publish "$1" "$tmp/disk.raw" "${@:3}"
    done
}

versions ()
{
    versions_on_disk | sed -n "s,^$1@,,p" | sort -n | tr '\n' ' '
}

chunks ()
{
    find "$state/store.castr" -name '*.cacnk' | wc -l
}

new_site
publish_versions a/disk 8
before=$(state_files)
run_ok 'a dry run' gild gc --keep 2 --dry-run
is 'removes nothing' "$(state_files)" "$before"
like 'and names what would go' "$(cat "$tmp/stdout" "$tmp/stderr")" 'a/disk@6'
run_ok 'without options' gild gc
is 'five versions stay' "$(versions a/disk)" '4 5 6 7 8 '
run_ok '--keep' gild gc --keep 2
is 'two versions stay' "$(versions a/disk)" '7 8 '
run_ok 'they are whole' gild verify
is 'indexes and texts of the others are gone' "$(find "$state/images/a/disk" -name '6.*')" ''
run_ok 'again' gild gc --keep 2
is 'there is nothing to do' "$(versions a/disk)" '7 8 '

publish_versions b/disk 1 --channel stable
publish_versions b/disk 3
run_ok 'a version that a channel names' gild gc --keep 1
is 'stays' "$(versions b/disk)" '1 4 '
is 'other images are collected as well' "$(versions a/disk)" '8 '

publish_versions c/disk 3
mkdir -p "$run/desktops"
cat >"$run/desktops/pc1.json" <<END
{"format": "gild-pin-1", "name": "pc1", "uuid": "4b4c1e8a-5a9c-4a53-bb4c-0d4b4d3f8a01", "overlay": 1073741824, "spill": 0,
 "disks": [{"target": "vda", "image": "c/disk", "channel": "production", "version": 1, "virtual_size": $((4 * MIB)),
 "backing": "nbd+unix:///c/disk@1?socket=$run/nbd.sock"}], "since": "2026-11-20T02:00:00Z"}
END
run_ok 'a version that a desktop runs' gild gc --keep 1
is 'stays' "$(versions c/disk)" '1 3 '
echo '{"format": "gild-pin-1", "disks": [' >"$run/desktops/pc2.json"
publish_versions c/disk 1
before=$(state_files)
run_fails 'a pin that cannot be read' 1 'pc2\.json' gild gc --keep 1
is 'nobody knows what it holds: nothing goes' "$(state_files)" "$before"
rm "$run/desktops"/*.json

exec 8<"$state/images/c/disk/1.caibx"
flock -s 8
run_ok 'a version whose index somebody has open' gild gc --keep 1
is 'stays' "$(versions c/disk)" '1 4 '
run_ok 'and is whole' gild verify c/disk@1
exec 8<&-
run_ok 'when they have closed it' gild gc --keep 1
is 'it goes' "$(versions c/disk)" '4 '

mkdir -p "$state/store.castr/0000"
echo litter >"$state/store.castr/0000/0000000000000000000000000000000000000000000000000000000000000000.cacnk"
cp "$state/images/c/disk/4.caibx" "$state/images/c/disk/7.caibx"
run_ok 'litter' gild gc
is 'a chunk that nobody needs is gone' "$(find "$state/store.castr" -name '00000000000*')" ''
is 'an index without a record is gone' "$(find "$state/images/c/disk" -name '7.*')" ''
run_ok 'all is whole' gild verify

# A chunk that two versions share stays with the one that is left.
make_raw "$tmp/disk.raw" $((4 * MIB))
publish d/disk "$tmp/disk.raw"
put "$tmp/disk.raw" $((2 * MIB)) 4096 /dev/urandom
publish d/disk "$tmp/disk.raw"
run_ok 'a version that shares most with the next' gild gc --keep 1
run_ok 'takes nothing of it away' gild verify d/disk@2
run_ok 'and it is the same disk' gild export d/disk "$tmp/out.qcow2"
same_disk 'to the last byte' raw "$tmp/disk.raw" qcow2 "$tmp/out.qcow2"

flip "$state/images/d/disk/channels.json.sig" 200
before=$(chunks)
run_fails 'a channel record that is damaged' 1 'channels\.json' gild gc --keep 1
is 'nobody knows what it holds: nothing goes' "$(chunks)" "$before"
for keep in 0 -1 many 0d d 30days '5 30d' 36501d; do
    run_fails "--keep '$keep'" 2 '--keep: .* is out of range: write a number of versions' gild gc --keep="$keep"
done
run_fails '--keep without a value' 2 '.' gild gc --keep

# By days, and by image. Whoever publishes with a wrong clock does no harm.
day=$((24 * 3600))
off_by ()
{
    CLOCK_OFF=$1 LD_PRELOAD=$builddir/tests/tool/other-clock.so "${@:2}"
}
rm -r "$state" "$run"
new_site
for days in -40 -20 -10 -1; do
    off_by $((days * day)) publish_versions a/disk 1
done
cp -a "$state" "$tmp/four"
run_ok 'those of 15 days' gild gc --keep=15d
is 'stay' "$(versions a/disk)" '3 4 '
run_ok 'those of a day' gild gc --keep 1d
is 'at least the newest two' "$(versions a/disk)" '3 4 '
rm -r "$state" && cp -a "$tmp/four" "$state"
run_ok 'a clock that is ten years ahead' off_by $((3650 * day)) gild gc --keep 30d
is 'leaves the newest two' "$(versions a/disk)" '3 4 '
rm -r "$state" && cp -a "$tmp/four" "$state"
run_ok 'a clock that is a year behind' off_by $((-365 * day)) gild gc --keep 15d
is 'removes nothing' "$(versions a/disk)" '1 2 3 4 '
off_by $((3650 * day)) publish_versions a/disk 1
publish_versions a/disk 1
run_ok 'a version of the future' gild gc --keep 15d
is 'is as old as the next' "$(versions a/disk)" '3 4 5 6 '
run_ok 'and goes' off_by $((30 * day)) gild gc --keep 15d
is 'with that' "$(versions a/disk)" '5 6 '
publish_versions b/disk 4
publish_versions c/disk 4
cp "$GILD_CONFIG" "$tmp/without"
printf '[image b/disk]\nkeep=3\n[gc]\nkeep=2\n[image a/disk]\nkeep=100d\n' >>"$GILD_CONFIG"
run_ok 'an image with a keep of its own' gild gc
is 'has it, and the others that for all' "$(versions a/disk)$(versions b/disk)$(versions c/disk)" '5 6 2 3 4 3 4 '
run_ok '--keep' gild gc --keep 1
is 'goes before both' "$(versions a/disk)$(versions b/disk)$(versions c/disk)" '6 4 4 '
printf '[image b/disk/]\nkeep=3\n' >>"$GILD_CONFIG"
run_fails 'a group for what is no image' 1 "gild\.conf: \[image b/disk/\]: 'b/disk/' is not an image's name" gild gc
cp "$tmp/without" "$GILD_CONFIG"

# A host that keeps no whole images for others keeps to [store] limit=.
as_client ()
{
    mv "$state/site/site.sec" "$tmp/site.sec"
    "$@"
    mv "$tmp/site.sec" "$state/site/site.sec"
}
rm -r "$state" "$run"
new_site
publish_versions b/disk 1
publish_versions a/disk 5
printf '[store]\nlimit=5MiB\n' >>"$GILD_CONFIG"
run_ok 'on a publisher a limit' gild gc
is 'is none' "$(versions a/disk)$(versions b/disk)" '1 2 3 4 5 1 '
as_client run_ok 'elsewhere' gild gc
is 'the oldest go, but for what a channel names' "$(versions a/disk)$(versions b/disk)" '3 4 5 1 '
sed -i 's/^limit=.*/limit=1MiB/' "$GILD_CONFIG"
mkdir -p "$run/desktops"
sed -e 's,c/disk@1,a/disk@3,g; s,c/disk,a/disk,g; s/"version": 1/"version": 3/' <<END >"$run/desktops/pc1.json"
{"format": "gild-pin-1", "name": "pc1", "uuid": "4b4c1e8a-5a9c-4a53-bb4c-0d4b4d3f8a01", "overlay": 1073741824, "spill": 0,
 "disks": [{"target": "vda", "image": "c/disk", "channel": "production", "version": 1, "virtual_size": $((4 * MIB)),
 "backing": "nbd+unix:///c/disk@1?socket=$run/nbd.sock"}], "since": "2026-11-20T02:00:00Z"}
END
as_client run_ok 'a limit below what is needed' gild gc
is 'leaves what runs and what channels name' "$(versions a/disk)$(versions b/disk)" '3 5 1 '
run_ok 'and that is whole' gild verify
done_testing
