#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Reads of chunks that are not there: another host has them, and the read waits, or fails in time and says why.
. "$(dirname "$0")/lib.sh"
needs curl jq nbdkit qemu-img

readonly MIB=$((1024 * 1024)) CHUNK=65536
plugin=${GILD_NBDKIT_PLUGIN:?} client=${builddir:?}/tests/tool/nbd-client
PATH=$PATH:/usr/sbin
declare -A gildd_of=() nbdkit_of=()
own= # where a chunk is that pc2 has

# add_host NAME [SECONDS]: with that deadline, or one that is never reached, and nothing fetched but what is read.
add_host ()
{
    mkdir -p "$tmp/$1/run"
    free_port
    printf '[paths]\nstate=%s\nrun=%s\n[network]\nlisten=127.0.0.1\nport=%s\n[fetch]\nprefetch=never\ndeadline=%s\n' \
        "$tmp/$1/state" "$tmp/$1/run" "$port" "${2:-60}" >"$tmp/$1/gild.conf"
}

at ()
{
    GILD_CONFIG=$tmp/$1/gild.conf "${@:2}"
}

start ()
{
    GILD_CONFIG=$tmp/$1/gild.conf gildd 2>>"$tmp/$1/gildd.log" &
    gildd_of[$1]=$!
    stop_at_exit "${gildd_of[$1]}"
    wait_for 20 at "$1" gild status || { diag_file "$tmp/$1/gildd.log"; exit 1; }
}

stop_host ()
{
    stop "${gildd_of[$1]}"
    wait "${gildd_of[$1]}" 2>/dev/null || true
}

start_nbdkit ()
{
    nbdkit --foreground --readonly --unix "$tmp/$1/nbd.sock" "$plugin" config="$tmp/$1/gild.conf" cache-size=1MiB \
        2>>"$tmp/$1/nbdkit.log" &
    nbdkit_of[$1]=$!
    stop_at_exit "${nbdkit_of[$1]}"
    wait_for 20 test -S "$tmp/$1/nbd.sock" || { diag_file "$tmp/$1/nbdkit.log"; exit 1; }
}

# join NAME [SECONDS]: it enters the site of srv, and has the records of its image and none of its chunks.
join ()
{
    local token
    add_host "$@"
    token=$(at srv gild invite --address 127.0.0.1 2>>"$tmp/srv/invite.log")
    at "$1" gild join "$token" --name "$1" >>"$tmp/$1/join.log" 2>&1 || { diag_file "$tmp/$1/join.log"; exit 1; }
    start "$1"
    wait_for 30 test -e "$tmp/$1/state/images/demo/desktop/1.json.sig" || { diag_file "$tmp/$1/gildd.log"; exit 1; }
    start_nbdkit "$1"
}

uri ()
{
    echo "nbd+unix:///demo/desktop@1?socket=$tmp/$1/nbd.sock"
}

# read_chunk HOST POSITION: to stdout.
read_chunk ()
{
    "$client" "$(uri "$1")" read $(($2 * CHUNK)) $CHUNK
}

# chunk_file HOST POSITION
chunk_file ()
{
    local id
    id=$(od -An -v -tx1 -j $((64 + 40 * $2 + 8)) -N 32 "$tmp/srv/state/images/demo/desktop/1.caibx" | tr -d ' \n')
    echo "$tmp/$1/state/store.castr/${id:0:4}/$id.cacnk"
}

# has HOST POSITION: the store has it, or .incoming.
has ()
{
    local file
    file=$(chunk_file "$1" "$2")
    [ -e "$file" ] || [ -e "$tmp/$1/state/store.castr/.incoming/$(basename "$file" .cacnk)" ] || [ -e "$file" ]
}

# lacking HOST…: where a chunk is that none of them has. Who asks another host for a chunk makes it fetch that.
lacking ()
{
    local position host
    for position in $(seq 100 250); do
        for host; do
            ! has "$host" "$position" || continue 2
        done
        echo "$position"
        return
    done
}

# reads DESCRIPTION HOST POSITION: it is what was published.
reads ()
{
    read_chunk "$2" "$3" >"$tmp/chunk" 2>"$tmp/chunk.log" || true
    if cmp -s "$tmp/chunk" <(tail -c +$(($3 * CHUNK + 1)) "$tmp/disk.raw" | head -c $CHUNK); then
        ok "$1"
    else
        not_ok "$1"
        diag_file "$tmp/chunk.log" "$tmp/$2/nbdkit.log" "$tmp/$2/gildd.log"
    fi
}

# hears HOST OTHER: OTHER is there, as far as HOST knows.
hears ()
{
    wait_for 30 lives "$@" || not_ok "$1 hears of $2"
}

lives ()
{
    at "$1" gild hosts --json | jq -e --arg name "$2" '.hosts[] | select(.name == $name) | .seen != null and .seen < 20' >/dev/null
}

# forget_lives HOST: it was switched off for a day, as far as it knows.
forget_lives ()
{
    local file=$tmp/$1/state/site/hosts.json
    wait_for 20 no_incoming "$1" # what came last would be lost, but not to nbdkit
    stop_host "$1"
    jq '.written |= sub("^[0-9]{4}"; "2020")' "$file" >"$file.new"
    mv "$file.new" "$file"
    start "$1"
}

# fetch_answer HOST BODY ID: what gildd says to a request for it.
fetch_answer ()
{
    curl -sS --max-time 80 --unix-socket "$tmp/$1/run/gildd.sock" --data-binary "$2" "http://gild/chunks/$3/fetch"
}

test_requests ()
{
    local id
    id=$(basename "$(chunk_file srv 0)" .cacnk)
    like 'an id that is none' "$(fetch_answer pc1 '{"image":"demo/desktop@1","position":0}' xyz)" 'not a chunk'
    like 'no body' "$(fetch_answer pc1 '' "$id")" 'says which image'
    like 'no version' "$(fetch_answer pc1 '{"image":"demo/desktop","position":0}' "$id")" 'names no version'
    like 'what is neither damaged nor not' "$(fetch_answer pc1 '{"image":"demo/desktop@1","position":0,"damaged":1}' "$id")" 'damaged'
    like 'a position that is none' "$(fetch_answer pc1 '{"image":"demo/desktop@1","position":-1}' "$id")" 'position'
    like 'a chunk that nobody has' \
        "$(fetch_answer hasty '{"image":"demo/desktop@1","position":0}' "${id//[0-7]/0}")" 'has not come in time'
}

test_streaming ()
{
    local last
    is 'nothing was fetched yet' "$(has pc1 30 && echo there)" ''
    reads 'a read of what is not there' pc1 30
    run_ok 'and now it is' has pc1 30
    is 'nothing else is' "$(has pc1 31 && echo there)" ''
    for last in 0 1 2; do
        reads "one after the other, $last" pc1 $last
    done
    run_ok 'what comes next is fetched' wait_for 10 has pc1 9
    is 'and no more' "$(has pc1 160 && echo there)" ''
    run_ok 'all of the disk' qemu-img compare -f raw -F raw "$tmp/disk.raw" "$(uri pc1)"
    run_ok 'in time it is all in the store' wait_for 20 no_incoming pc1
    run_ok 'as it should be' at pc1 gild verify
    run_ok 'and kept: with nobody to ask' bash -c "kill -STOP ${gildd_of[srv]} ${gildd_of[pc1]}"
    reads 'it is read' pc1 70
    kill -CONT "${gildd_of[srv]}" "${gildd_of[pc1]}"
}

no_incoming ()
{
    [ -z "$(ls "$tmp/$1/state/store.castr/.incoming")" ]
}

# A gildd that is started anew while a read waits, and an origin that is away.
test_restarts ()
{
    local before
    stop_host pc2
    read_chunk pc2 0 >"$tmp/chunk" &
    local reader=$!
    start pc2
    run_ok 'a read that began while gildd was away' wait "$reader"
    is 'has the right bytes' "$(cmp "$tmp/chunk" <(head -c $CHUNK "$tmp/disk.raw") && echo same)" same
    hears pc2 pc1
    stop_host srv
    reads 'a peer is enough' pc2 "$(lacking pc2 hasty)"
    forget_lives pc1
    forget_lives pc2
    run_ok 'a peer is found without an origin, after a night' wait_for 30 lives pc2 pc1
    reads 'and is enough' pc2 "$(lacking pc2 hasty)"
    stop_host pc1
    before=$SECONDS
    run_fails 'a read while every host is away that has it' 1 'Input/output error' read_chunk hasty "$(lacking pc2 hasty)"
    run_ok 'fails at the deadline' test $((SECONDS - before)) -ge 2 -a $((SECONDS - before)) -le 50
    like 'and says why' "$(cat "$tmp/hasty/nbdkit.log")" 'missing, and cannot be fetched: .*not come in time'
    stop_host hasty
    start srv
    own=$(lacking pc2)
    reads 'and so is the origin' pc2 "$own"
}

# Who sends a damaged chunk is left, and a chunk that the origin itself lacks comes from who has it.
test_damage ()
{
    local file lost damaged
    start pc1
    hears pc2 pc1
    start_nbdkit srv
    lost=$(lacking pc2)
    file=$(chunk_file srv "$lost")
    rm "$file"
    reads 'a chunk that the origin has lost' pc2 "$lost"
    reads 'at the origin itself' srv "$lost"
    run_ok 'which has it again' wait_for 10 test -e "$file"
    run_ok 'and is whole' at srv gild verify
    # The peer may be left alone after that.
    damaged=$(lacking pc2)
    printf x | dd of="$(chunk_file pc1 "$damaged")" bs=1 seek=200 conv=notrunc status=none
    reads 'a chunk that is damaged at a peer' pc2 "$damaged"

    # One of its own, which nbdkit no longer has in its memory: the read waits until it is set aside and fetched anew.
    wait_for 20 no_incoming pc2 || not_ok 'all is in the store'
    stop "${nbdkit_of[pc2]}"
    rm -f "$tmp/pc2/nbd.sock" "$tmp/pc2/nbdkit.log"
    start_nbdkit pc2
    file=$(chunk_file pc2 "$own")
    flip "$file" 3000
    reads 'a damaged chunk of the own store' pc2 "$own"
    is 'is no error' "$(cat "$tmp/pc2/nbdkit.log")" ''
    like 'it was set aside' "$(cat "$tmp/pc2/gildd.log")" "chunk $(basename "$file" .cacnk) was damaged and is set aside"
    run_ok 'and has a good one in its place' wait_for 20 test -e "$file"
    is 'so that nothing is damaged any more' "$(at pc2 gild status --json | jq .damaged)" 0
}

add_host srv
head -c $((16 * MIB)) /dev/urandom >"$tmp/disk.raw"
at srv gild init 'Smith & Sons' --name=srv >"$tmp/init.log" 2>&1
at srv gild publish demo/desktop "$tmp/disk.raw" --format=raw >"$tmp/publish.log" 2>&1
start srv
join pc1
join pc2
join hasty 3
test_requests
test_streaming
test_restarts
test_damage
diag_file "$tmp"/*/gildd.log
done_testing
