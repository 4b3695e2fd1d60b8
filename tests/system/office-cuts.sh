#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever is cut and killed while versions are published: each read on each host is of exactly one version, and no
# host's records go back. OFFICE_SECONDS of it (60), with chance of OFFICE_SEED.
. "$(dirname "$0")/../office/lib.sh"
readonly DISK_BYTES=$((16 * 1024 * 1024)) IMAGE=demo/changing
readonly HOSTS=(srv1 srv2 pc1 pc2 pc3) READERS=(srv2 pc1 pc2 pc3) RATE=200mbit
RANDOM=${OFFICE_SEED:=$((SRANDOM % 32768))}
declare -A serial=() is_cut=()
version=0
office_up

# chance FROM TO
chance ()
{
    echo $(($1 + RANDOM % ($2 - $1 + 1)))
}

# one_of WORD…
one_of ()
{
    shift $((RANDOM % $#))
    echo "$1"
}

# Some MiB change, some become zeros; the sum of each version is kept.
publish_next ()
{
    local i
    for ((i = 0; i < 3; i++)); do
        dd if="$(one_of /dev/urandom /dev/urandom /dev/zero)" of="$tmp/disk.raw" bs=64k count="$(chance 1 20)" \
            seek="$(chance 0 230)" conv=notrunc status=none
    done
    sha256sum <"$tmp/disk.raw" | cut -c -64 >"$tmp/sum.$((version + 1))"
    on srv1 gild publish "$IMAGE" "$tmp/disk.raw" >>"$office_log" 2>&1 || return 0
    version=$((version + 1))
}

# known_version HOST: the newest one that is whole in its records, from what is on its disk.
known_version ()
{
    on "$1" bash -c "cd $state/images/$IMAGE 2>/dev/null && ls" | sed -n 's/^\([0-9]*\)\.json\.sig$/\1/p' | sort -n | tail -n 1
}

known_serial ()
{
    on "$1" tail -n +3 "$state/images/$IMAGE/channels.json.sig" 2>/dev/null | jq .serial 2>/dev/null || :
}

# read_for_ever HOST: a line "VERSION SUM" for each read of a whole disk in $tmp/reads.HOST, "VERSION failed" for one
# that came to no end.
read_for_ever ()
{
    local known sum
    while [ ! -e "$tmp/stop" ]; do
        known=$(known_version "$1")
        [ -n "$known" ] || { sleep 0.2; continue; }
        sum=$(disk_sum "$1" "$IMAGE@$known" 2>>"$tmp/read-errors.$1") || sum=failed
        echo "$known $sum" >>"$tmp/reads.$1"
    done
}

look_at_serials ()
{
    local host now
    for host in "${HOSTS[@]}"; do
        now=$(known_serial "$host")
        [ -n "$now" ] || continue
        [ "$now" -ge "${serial[$host]:-0}" ] || echo "$host went from ${serial[$host]} to $now" >>"$tmp/went-back"
        serial[$host]=$now
    done
}

turn_cable ()
{
    if [ -n "${is_cut[$1]:-}" ]; then
        plug "$1"
        is_cut[$1]=''
    else
        unplug "$1"
        is_cut[$1]=yes
    fi
}

do_something ()
{
    local host
    host=$(one_of "${HOSTS[@]}")
    case $(chance 1 10) in
    [1-4]) turn_cable "$host" ;;
    [56]) kill_child "$host" gildd ;;
    7) kill_child "$host" nbdkit ;;
    *) publish_next ;;
    esac
}

has_read ()
{
    grep -qv failed "$tmp/reads.$1"
}

is_at ()
{
    [ "$(known_serial "$1")" = "$(known_serial srv1)" ] && [ "$(known_version "$1")" = "$version" ]
}

diag "OFFICE_SEED=$OFFICE_SEED"
head -c "$DISK_BYTES" /dev/urandom >"$tmp/disk.raw"
for host in "${HOSTS[@]}"; do
    add_host "$host" $'[fetch]\nprefetch=never\ndeadline=4\n[gc]\nkeep=1000'
    limit "$host" $RATE
done
on srv1 gild init office >>"$office_log" 2>&1
start_host srv1
publish_next
for host in "${READERS[@]}"; do
    join srv1 "$host" || not_ok "$host joins"
done
run_ok 'one keeps whole images' on srv2 gild replica "$IMAGE"
for host in "${READERS[@]}"; do
    run_ok "$host has the first version" wait_for 60 has_version "$host" "$IMAGE@1"
    : >"$tmp/reads.$host"
    read_for_ever "$host" &
    readers+=($!)
done
for host in "${READERS[@]}"; do
    run_ok "$host reads" wait_for 30 has_read "$host"
done

end=$((SECONDS + ${OFFICE_SECONDS:-60}))
while [ "$SECONDS" -lt "$end" ]; do
    do_something
    look_at_serials
    sleep "0.$(chance 1 9)"
done
for host in "${HOSTS[@]}"; do
    [ -z "${is_cut[$host]:-}" ] || turn_cable "$host"
done
touch "$tmp/stop"
wait "${readers[@]}"
diag "$version versions; reads: $(cat "$tmp"/reads.* | wc -l), failed: $(cat "$tmp"/reads.* | grep -c failed)"

for host in "${READERS[@]}"; do
    wrong=$(grep -v failed "$tmp/reads.$host" | while read -r of sum; do [ "$sum" = "$(cat "$tmp/sum.$of")" ] || echo "$of $sum"; done)
    is "each read on $host is of the version that was asked for" "$wrong" ''
done
is 'no record went back' "$(cat "$tmp/went-back" 2>/dev/null)" ''
for host in "${READERS[@]}"; do
    run_ok "$host hears of the last version" wait_for 60 is_at "$host"
    is "and reads it" "$(disk_sum "$host" "$IMAGE@$version")" "$(cat "$tmp/sum.$version")"
done
done_testing
