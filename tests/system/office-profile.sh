#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a desktop on one PC has read when it booted, another PC fetches before its desktop reads it.
. "$(dirname "$0")/../office/lib.sh"
needs curl shuf
client=$build/tests/tool/nbd-client
[ -x "$client" ] || skip_all "there is no $client"

readonly CHUNK=65536 CHUNKS=400 IMAGE=demo/desktop

# prepare HOST: a desktop is about to boot there.
prepare ()
{
    on "$1" curl -sSf --max-time 20 --unix-socket "$run/gildd.sock" -o "$tmp/answer" -d \
        "{\"uuid\":\"7c1ff4a4-9f0b-4f3c-a7ec-6e6d0a3d0e11\",\"disks\":[{\"target\":\"vda\",\"image\":\"$IMAGE\"}]}" \
        http://gild/desktops/pc/prepare
}

# boot HOST POSITION…: what its QEMU reads then.
boot ()
{
    local host=$1
    shift
    printf '%s\n' "$@" | awk -v chunk=$CHUNK '{ print $1 * chunk + 4096, 4096 }' >"$tmp/reads"
    # shellcheck disable=SC2016
    on "$host" bash -c '"$1" "$2" read-all <"$3"' - "$client" "nbd+unix:///$IMAGE@1?socket=$run/nbd.sock" "$tmp/reads"
}

# profile HOST: "BOOTS POSITIONS" of what it knows.
profile ()
{
    on "$1" jq -r '"\(.boots) \(.positions | map (tostring) | join (" "))"' "$state/images/$IMAGE/1.profile"
}

knows ()
{
    [ "$(profile "$1" 2>/dev/null)" = "$2" ]
}

# chunk_file N: of the Nth chunk, below a host's store.
chunk_file ()
{
    local id
    id=$(on srv od -An -v -tx1 -j $((64 + 40 * $1 + 8)) -N 32 "$state/images/$IMAGE/1.caibx" | tr -d ' \n')
    echo "${id:0:4}/$id.cacnk"
}

# count_chunks HOST POSITION…: how many of them lie in its store.
count_chunks ()
{
    local host=$1 n=0 position
    shift
    for position; do
        ! on "$host" test -e "$state/store.castr/$(chunk_file "$position")" || n=$((n + 1))
    done
    echo "$n"
}

has_all ()
{
    [ "$(count_chunks "$1" $boots)" = "$(wc -w <<<"$boots")" ]
}

office_up
add_host srv
add_host pc1 $'[fetch]\nprefetch=never'
add_host pc2 $'[fetch]\nprefetch=never'
head -c $((CHUNKS * CHUNK)) /dev/urandom >"$tmp/disk.raw"
on srv gild init office >>"$office_log" 2>&1
on srv gild publish $IMAGE "$tmp/disk.raw" >>"$office_log" 2>&1
start_host srv
run_ok 'a PC joins' join srv pc1
run_ok 'it has the image'\''s records' wait_for 30 has_version pc1 $IMAGE@1
boots=$(seq 0 3 399 | shuf --random-source=<(yes 1) | tr '\n' ' ')
boots=${boots% }

run_ok 'a desktop is prepared' prepare pc1
# shellcheck disable=SC2086
run_ok 'and boots, of chunks that are not there yet' boot pc1 $boots
run_ok 'what it has read is noted' wait_for 20 knows pc1 "1 $boots"
run_ok 'the server hears of it' wait_for 40 knows srv "1 $boots"
# Only now, or the first would have had chunks fetched by it.
run_ok 'another PC joins' join srv pc2
run_ok 'it has the records too' wait_for 30 has_version pc2 $IMAGE@1
is 'the other PC has nothing of that' "$(count_chunks pc2 $boots)" 0
run_ok 'a desktop is prepared there' prepare pc2
run_ok 'it has what a boot reads before anybody reads it' wait_for 30 has_all pc2
is 'and not more' "$(on pc2 find "$state/store.castr" -name '*.cacnk' | wc -l)" \
    "$(($(wc -w <<<"$boots") + $(on srv jq '.index.chunks | length' "$state/images/$IMAGE/1.json")))"
run_ok 'it knows the profile' knows pc2 "1 $boots"
# shellcheck disable=SC2086
run_ok 'the desktop boots' boot pc2 $boots 1
run_ok 'which is the second boot' wait_for 40 knows srv "2 $boots 1"
for host in srv pc1 pc2; do
    unlike "$host says nothing bad" "$(on $host cat "$run/gildd.log")" 'WARNING|CRITICAL|is lost|of no use'
done
[ "$tap_failed" = 0 ] || show_host srv pc1 pc2
done_testing
