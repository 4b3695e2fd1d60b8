#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A damaged chunk that an NBD client reads: an error and never other bytes, set aside by gildd, served again when back.
. "$(dirname "$0")/lib.sh"
needs curl flock jq nbdkit qemu-img qemu-io

readonly MIB=$((1024 * 1024)) CHUNK=65536 CHUNKS=32
readonly client=${builddir:?}/tests/tool/nbd-client

start_gildd ()
{
    gildd 2>>"$tmp/gildd.log" &
    gildd=$!
    stop_at_exit "$gildd"
    wait_for 20 curl -sf --unix-socket "$run/gildd.sock" http://gild/status || { diag_file "$tmp/gildd.log"; exit 1; }
}

# A server that caches one chunk, so that each of another is read from the store.
start_nbdkit ()
{
    rm -f "$run/nbd.sock"
    "$(PATH=$PATH:/usr/sbin type -P nbdkit)" --foreground --readonly --unix "$run/nbd.sock" \
        "${GILD_NBDKIT_PLUGIN:?}" cache-size=0 2>>"$tmp/nbdkit.log" &
    nbdkit=$!
    stop_at_exit "$nbdkit"
    wait_for 20 test -S "$run/nbd.sock" || { diag_file "$tmp/nbdkit.log"; exit 1; }
}

# id_of N: of the Nth chunk of a/disk@1, which the index names 40 bytes after the one before.
id_of ()
{
    od -An -v -tx1 -j $((64 + 40 * $1 + 8)) -N 32 "$state/images/a/disk/1.caibx" | tr -d ' \n'
}

file_of ()
{
    local id
    id=$(id_of "$1")
    echo "$state/store.castr/${id:0:4}/$id.cacnk"
}

aside_of ()
{
    echo "$state/store.castr/.damaged/$(id_of "$1").cacnk"
}

read_chunk ()
{
    "$client" "nbd+unix:///a/disk@1?socket=$run/nbd.sock" read $(($1 * CHUNK)) "${2:-$CHUNK}"
}

read_to_part ()
{
    read_chunk "$@" >"$tmp/part"
}

# reads_right N: the Nth chunk can be read, and is what was published.
reads_right ()
{
    read_to_part "$1" && cmp "$tmp/part" <(tail -c +$(($1 * CHUNK + 1)) "$tmp/disk.raw" | head -c $CHUNK)
}

# gives_error DESCRIPTION N: an I/O error and not a byte.
gives_error ()
{
    local description=$1 count
    for count in 4096 $CHUNK; do
        run_fails "$description: an I/O error for $count bytes" 1 'Input/output error' read_to_part "$2" "$count"
        is "$description: and no bytes" "$(stat -c %s "$tmp/part")" 0
    done
}

# is_set_aside DESCRIPTION N
is_set_aside ()
{
    run_ok "$1: it is set aside" wait_for 20 test -e "$(aside_of "$2")"
    run_ok "$1: and nowhere else" test ! -e "$(file_of "$2")"
}

# heals DESCRIPTION N: the next publish puts it back, and the server that runs serves it.
heals ()
{
    publish a/disk "$tmp/disk.raw"
    run_ok "$1: published again, it is served" reads_right "$2"
    is "$1: by the same nbdkit" "$(kill -0 "$nbdkit" && echo yes)" yes
}

# is_logged DESCRIPTION REGEX: gildd says so, once it has looked.
is_logged ()
{
    run_ok "$1" wait_for 20 grep "$2" "$tmp/gildd.log"
}

# call METHOD PATH [BODY]: the status in $code, the answer in $tmp/answer.
call ()
{
    local options=(-sS --max-time 20 --unix-socket "$run/gildd.sock" -o "$tmp/answer" -w '%{http_code}' -X "$1")
    [ -z "${3:-}" ] || options+=(--data-binary "$3")
    code=$(curl "${options[@]}" "http://gild$2") || true
}

test_set_aside ()
{
    local kind at file size
    file=$(file_of 1) size=$(stat -c %s "$(file_of 1)")
    is 'nothing is set aside' "$(gild status --json | jq .damaged)" 0
    for damage in "flip 6" "flip $((size / 2))" "cut 0" "cut $((size / 2))" "another 2"; do
        read -r kind at <<<"$damage"
        case $kind in
        flip) flip "$file" "$at" ;;
        cut) truncate -s "$at" "$file" ;;
        another) cp "$(file_of "$at")" "$file" ;;
        esac
        gives_error "a damaged chunk ($damage)" 1
        is_set_aside "a damaged chunk ($damage)" 1
        gives_error "a chunk that is set aside ($damage)" 1
        like "gild status says so ($damage)" "$(gild status)" '^damaged: +1 chunk set aside; run `gild verify --repair`'
        is_logged "the log says what to do ($damage)" \
            "^gildd: chunk $(id_of 1) was damaged and is set aside: \`gild verify --repair\` says"
        heals "$damage" 1
        unlike "gild status forgets it ($damage)" "$(gild status)" damaged
        restart_nbdkit # which tells gildd of a chunk once a minute
    done
    run_ok 'gc takes what was set aside' gild gc --keep 100
    run_ok 'all of it' test ! -e "$state/store.castr/.damaged"
    run_ok 'all is whole' gild verify
}

restart_nbdkit ()
{
    stop "$nbdkit"
    start_nbdkit
}

# A chunk that this process has hashed before is known by its checksum alone.
test_read_before ()
{
    run_ok 'a chunk is read' reads_right 3
    flip "$(file_of 3)" 3000
    run_ok 'and a part of another, which drives it out' read_to_part 4 4096
    gives_error 'it is damaged then' 3
    is_set_aside 'it is damaged then' 3
    heals 'it is damaged then' 3
}

test_rebuilt ()
{
    local file
    file=$(file_of 5)
    echo litter >>"$file"
    run_ok 'a chunk with bytes after it: the read waits until gildd has made it anew' reads_right 5
    is_logged 'which says so' "^gildd: chunk $(id_of 5) was damaged; its bytes were found"
    run_ok 'nothing is set aside' test ! -e "$(aside_of 5)"
    is 'nor left over' "$(find "$state/store.castr" -name '.staging*')" ''
}

# Who says that a chunk is damaged is not believed.
test_not_believed ()
{
    local file inode path regex body
    file=$(file_of 6) inode=$(stat -c %i:%Z "$(file_of 6)")
    call POST "/chunks/$(id_of 6)/damaged"
    is 'a whole chunk is reported' "$code" 200
    is_logged 'gildd has looked at it' "chunk $(id_of 6) was reported as damaged, and is whole"
    is 'and left it alone' "$(stat -c %i:%Z "$file")" "$inode"
    call POST "/chunks/$(printf '0%.0s' {1..64})/damaged"
    is 'a chunk that is not there is reported' "$code" 200
    while IFS='|' read -r path regex body; do
        call POST "$path" "$body"
        is "POST $path $body is refused" "$code" 400
        like "POST $path $body: and why" "$(jq -r .error "$tmp/answer")" "$regex"
    done <<END
/chunks/x/damaged|'x' is not a chunk
/chunks//damaged|'' is not a chunk
/chunks/..%2f..%2fetc/damaged|is not a chunk
/chunks/$(id_of 6 | tr a-f A-F)/damaged|is not a chunk
/chunks/$(id_of 6)0/damaged|is not a chunk
/chunks/$(id_of 6)/damaged|no members|{"path":"/etc/passwd"}
END
    call GET "/chunks/$(id_of 6)/damaged"
    is 'a GET is refused' "$code" 405
    run_ok 'the chunk is served' reads_right 6
}

# A chunk that cannot be set aside yet is told of once for a while.
test_once ()
{
    local i file
    file=$(file_of 7)
    exec 8<"$state/store.castr/.lock"
    flock -x 8
    flip "$file" 3000
    for i in 1 2 3 4 5 6 7 8; do
        run read_to_part 7
        is "read $i while a gc runs" "$status" 1
    done
    is_logged 'gildd does not wait for a gc' "chunk $(id_of 7) was reported as damaged and stays"
    # A report of another chunk comes after all of these.
    flip "$(file_of 8)" 3000
    run read_to_part 8
    is_logged 'the next chunk is reported' "chunk $(id_of 8) was reported as damaged and stays"
    is 'the first one was reported once' "$(grep -c "chunk $(id_of 7) " "$tmp/gildd.log")" 1
    exec 8<&-
    run gild verify --repair
    is 'repair says what is lost' "$status" 3
    is_set_aside 'by repair' 7
    heals 'by repair' 7
    run_ok 'and the other' reads_right 8
}

# Reading does not wait for a gildd that is dead, for one that is stuck no longer than for a chunk that is missing, and
# what it was not told it is told later.
test_gildd_away ()
{
    local i readers=()
    kill -KILL "$gildd"
    wait "$gildd" 2>/dev/null || true
    flip "$(file_of 9)" 3000
    gives_error 'gildd is dead' 9
    run_ok 'gildd is dead: nbdkit says so' wait_for 20 grep "gildd was not told that chunk $(id_of 9) is damaged: gildd does not answer" "$tmp/nbdkit.log"
    start_gildd
    set_aside_by_reading 'gildd is back' 9

    kill -STOP "$gildd"
    for i in $(seq 10 24); do
        flip "$(file_of "$i")" 3000
    done
    for i in $(seq 10 24); do
        read_chunk "$i" 4096 >"$tmp/part.$i" 2>/dev/null &
        readers+=($!)
    done
    for i in $(seq 10 24); do
        status=0
        wait "${readers[i - 10]}" || status=$?
        is "gildd is stuck: chunk $i is an error" "$status $(stat -c %s "$tmp/part.$i")" '1 0'
    done
    kill -CONT "$gildd"
    for i in $(seq 10 24); do
        set_aside_by_reading "gildd goes on, chunk $i" "$i"
    done
    is 'all are counted' "$(gild status --json | jq .damaged)" 16
    publish a/disk "$tmp/disk.raw"
    is 'all are healed' "$(gild status --json | jq .damaged)" 0
    run_ok 'the whole disk is right' qemu-img compare -f raw -F raw "$tmp/disk.raw" "nbd+unix:///a/disk@1?socket=$run/nbd.sock"
}

# set_aside_by_reading DESCRIPTION N: some read gets it there.
set_aside_by_reading ()
{
    run_ok "$1: a read reports it" wait_for 60 is_aside_after_read "$2"
}

is_aside_after_read ()
{
    read_to_part "$1" || test -e "$(aside_of "$1")"
}

# An index that is mended while somebody has it open.
test_open_index ()
{
    local index=$state/images/a/disk/1.caibx before
    before=$(id_of 20)
    mkfifo "$tmp/hold"
    qemu-io -f raw -r "nbd+unix:///a/disk@1?socket=$run/nbd.sock" <"$tmp/hold" >"$tmp/qemu-io.log" 2>&1 &
    stop_at_exit $!
    exec 7>"$tmp/hold"
    echo "read 0 4096" >&7
    wait_for 10 grep -q 'read 4096' "$tmp/qemu-io.log"
    flip "$index" $((64 + 40 * 20 + 8))
    run_fails 'an index that is damaged while it is open: an error' 1 'Input/output error' read_to_part 20
    run_ok 'an index that is damaged while it is open: repair' gild verify --repair
    is 'an index that is damaged while it is open: it is as it was' "$(id_of 20)" "$before"
    run_ok 'an index that is damaged while it is open: who has it open reads on' reads_right 20
    for version in 1 2 3 4; do
        publish a/disk "$tmp/disk.raw"
    done
    gild gc --keep 1 >/dev/null 2>&1
    run_ok 'an index that is damaged while it is open: gc leaves it' test -e "$index"
    exec 7>&-
}

test_end ()
{
    local result=0
    kill "$gildd"
    wait "$gildd" || result=$?
    is 'gildd ends well' "$result" 0
    unlike 'without a warning' "$(cat "$tmp/gildd.log")" 'WARNING|CRITICAL'
    unlike 'nbdkit neither' "$(cat "$tmp/nbdkit.log")" 'WARNING|CRITICAL'
    run_ok 'all is whole' gild verify
}

new_site
printf '[fetch]\ndeadline=1\n' >>"$GILD_CONFIG"
head -c $((CHUNKS * CHUNK)) /dev/urandom >"$tmp/disk.raw"
truncate -s $((4 * MIB)) "$tmp/disk.raw"
publish a/disk "$tmp/disk.raw"
start_gildd
start_nbdkit
test_set_aside
test_read_before
test_rebuilt
test_not_believed
test_once
test_gildd_away
test_open_index
test_end
done_testing
