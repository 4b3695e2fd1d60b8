#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild verify --repair mends what is left of the bytes, sets aside what is not, and publishing again heals that.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq zstd

readonly MIB=$((1024 * 1024)) CHUNK=65536

# chunk_file IMAGE@V N: the store's file of its Nth chunk, which the index names 40 bytes after the one before.
chunk_file ()
{
    local id
    id=$(od -An -v -tx1 -j $((64 + 40 * $2 + 8)) -N 32 "$state/images/${1%@*}/${1#*@}.caibx" | tr -d ' \n')
    file_of "$id"
}

file_of ()
{
    echo "$state/store.castr/${1:0:4}/$1.cacnk"
}

# fresh: the prepared site, of one/disk@1 and @2, which share most, and other/disk@1.
fresh ()
{
    rm -rf "$state"
    cp -a "$tmp/prepared" "$state"
}

set_aside ()
{
    find "$state/store.castr/.damaged" -type f -name '*.cacnk' 2>/dev/null | wc -l
}

# is_whole DESCRIPTION: all verifies, and every version is still the disk that was published.
is_whole ()
{
    local version
    run_ok "$1: all is whole" gild verify
    for version in one/disk@1 one/disk@2 other/disk@1; do
        rm -f "$tmp/out.qcow2"
        run_ok "$1: $version is exported" gild export "$version" "$tmp/out.qcow2"
        run_ok "$1: and is the same disk" qemu-img compare -f raw -F qcow2 "$tmp/${version//[\/@]/-}.raw" "$tmp/out.qcow2"
    done
}

# mends DESCRIPTION REGEX: a repair says so and needs nobody; nothing is set aside.
mends ()
{
    run gild verify
    is "$1: verify says no" "$status" 3
    run_ok "$1: repair" gild verify --repair
    like "$1: and says what it mended" "$(cat "$tmp/stdout")" "^mended: .*$2"
    is "$1: nothing is set aside" "$(set_aside)" 0
    is_whole "$1"
}

# loses DESCRIPTION REGEX: what is missing then is reported, and comes back with the next publish.
loses ()
{
    run gild verify --repair
    is "$1: repair says no" "$status" 3
    like "$1: and what to do" "$(cat "$tmp/stdout")" "$2"
    run gild verify --repair --json
    is "$1: and says no again" "$status" 3
    is "$1: other/disk is not mentioned" "$(jq '[.problems[] | select (startswith ("other/"))] | length' "$tmp/stdout")" 0
    run_ok "$1: other/disk is whole" gild verify other/disk
    rm -f "$tmp/out.qcow2"
    run_fails "$1: what lacks it is not exported" 1 '.' gild export one/disk@1 "$tmp/out.qcow2"
    publish one/disk "$tmp/one-disk-1.raw"
    [ -z "${3:-}" ] || run_ok "$1: repair" gild verify --repair
    is_whole "$1, published again"
    run_ok "$1: gc" gild gc
    run_ok "$1: takes what was set aside" test ! -e "$state/store.castr/.damaged"
}

test_frames ()
{
    local size
    size=$(stat -c %s "$chunk")
    fresh
    echo litter >>"$chunk"
    mends 'bytes after a chunk' 'one/disk@1: chunk .*not one zstd frame.*made anew'
    fresh
    flip "$chunk" $((size - 1))
    mends 'a flipped bit in a checksum' 'made anew'
    fresh
    truncate -s $((size - 4)) "$chunk"
    mends 'a chunk without its checksum' 'made anew'
    fresh
    truncate -s $MIB "$chunk"
    mends 'a file that became long' 'made anew'
    fresh
    rm "$zero"
    mends 'the missing chunk of zeros' 'chunk .* is missing.*made anew'
    fresh
    flip "$zero" 6
    mends 'a damaged chunk of zeros' 'made anew'
    fresh
    chmod 640 "$last_zero"
    truncate -s 0 "$last_zero"
    mends 'the empty chunk of zeros at the end' 'made anew'
}

test_lost_chunks ()
{
    local chunk
    chunk=$(chunk_file one/disk@1 1)
    fresh
    flip "$chunk" 100
    loses 'a flipped bit' '^one/disk@1 lacks 1 chunk: publish the same file again'
    fresh
    flip "$chunk" 100
    run gild verify --repair
    is 'both versions lack it' "$(grep -c '^one/disk@[12] lacks 1 chunk' "$tmp/stdout")" 2
    run gild verify --repair one/disk@2
    is 'one of them alone' "$(grep -c '^one/disk@[12] lacks 1 chunk' "$tmp/stdout")" 1
    run_ok 'not the third' gild verify --repair other/disk
    is 'it is kept' "$(set_aside)" 1
    run gild gc
    is 'also by gc' "$(set_aside)" 1
    fresh
    truncate -s 10000 "$chunk"
    truncate -s 0 "$(chunk_file one/disk@1 2)"
    cp "$(chunk_file other/disk@1 1)" "$(chunk_file one/disk@1 3)"
    loses 'one cut short, one empty, one another' '^one/disk@1 lacks 3 chunks: publish the same file again'
    fresh
    rm "$chunk"
    loses 'a missing chunk' '^one/disk@1 lacks 1 chunk: '
    fresh
    rm "$chunk"
    mkdir "$chunk"
    loses 'a directory in its place' '^one/disk@1 lacks 1 chunk: '
    fresh
    rm "$chunk"
    ln -s "$(chunk_file one/disk@1 2)" "$chunk"
    run gild verify --repair
    is 'a link in its place is set aside' "$(readlink "$state/store.castr/.damaged/$(basename "$chunk")")" \
        "$(chunk_file one/disk@1 2)"
    fresh
    rm "$chunk"
    mkfifo "$chunk"
    run timeout 60 gild verify --repair
    is 'a pipe in its place keeps nobody waiting' "$status" 3
    fresh
    mv "$chunk" "$tmp/kept"
    mv "$(chunk_file one/disk@1 2)" "$chunk"
    mv "$tmp/kept" "$(chunk_file one/disk@1 2)"
    loses 'two chunks that changed places' '^one/disk@1 lacks 2 chunks: '
}

test_unneeded ()
{
    local id=0000000000000000000000000000000000000000000000000000000000000000
    fresh
    mkdir -p "$(dirname "$(file_of $id)")"
    echo nonsense >"$(file_of $id)"
    run_ok 'a damaged chunk that no version needs: repair' gild verify --repair
    like 'a damaged chunk that no version needs: it is set aside' "$(cat "$tmp/stdout")" \
        "^mended: chunk .*$id.*no version needs it"
    run_ok 'a damaged chunk that no version needs: gc' gild gc
    is 'a damaged chunk that no version needs: it is gone' "$(find "$state" -name "$id*")" ''
    is_whole 'a damaged chunk that no version needs'
}

test_indexes ()
{
    local index=$state/images/one/disk/1.caibx inode damage index_chunk
    for damage in 'flip 130' 'flip 20' 'truncate -s 400' 'truncate -s +40' 'truncate -s 0'; do
        fresh
        inode=$(stat -c %i "$index")
        read -ra words <<<"$damage"
        if [ "${words[0]}" = flip ]; then flip "$index" "${words[1]}"; else "${words[@]}" "$index"; fi
        mends "an index after $damage" 'one/disk@1: its index .*/1.caibx is made anew from its chunks'
        is "an index after $damage: it is the same file, which somebody may have open" "$(stat -c %i "$index")" "$inode"
    done
    fresh
    cp "$state/images/other/disk/1.caibx" "$index"
    mends 'the index of another image' 'its index .* is made anew'
    fresh
    rm "$index"
    mends 'a missing index' 'its index .* is made anew'
    fresh
    rm "$index"
    mkdir "$index"
    mends 'a directory in its place' 'its index .* is made anew'
    fresh
    rm "$index"
    ln -s 2.caibx "$index"
    mends 'a link in its place' 'its index .* is made anew'
    run_ok 'the other one is untouched' cmp "$state/images/one/disk/2.caibx" "$tmp/prepared/images/one/disk/2.caibx"

    index_chunk=$(file_of "$(jq -r '.index.chunks[0]' "$state/images/one/disk/1.json")")
    fresh
    flip "$index_chunk" 50
    mends 'a damaged chunk of an index' 'one/disk@1: chunk .*it is made anew from the index'
    fresh
    rm "$index_chunk"
    mends 'a missing chunk of an index' 'it is made anew from the index'
    fresh
    rm "$index_chunk"
    mkdir "$index_chunk"
    mends 'a directory in the place of a chunk of an index' 'it is made anew from the index'
    fresh
    rm "$index"
    echo litter >>"$index_chunk"
    mends 'both, with the bytes still there' 'its index .* is made anew'
    fresh
    flip "$index" 130
    flip "$index_chunk" 50
    loses 'both' '^one/disk@1: .*of the 1 chunks that it could be made of 1 are gone: publish the same file again.*--repair' again
}

test_records ()
{
    local images=$state/images record
    fresh
    sed -i 's/"note" *: *""/"note" : "forged"/' "$images/one/disk/1.json"
    mends 'a text that is not what was signed' 'one/disk@1: .*1.json is written anew'
    fresh
    rm "$images/one/disk/2.json" "$images/other/disk/channels.json"
    mends 'missing texts' 'other/disk: .*channels.json is written anew'
    for record in one/disk/1.json.sig one/disk/channels.json.sig; do
        for damage in 'flip 250' 'truncate -s 100'; do
            fresh
            read -ra words <<<"$damage"
            if [ "${words[0]}" = flip ]; then flip "$images/$record" "${words[1]}"; else "${words[@]}" "$images/$record"; fi
            cp -a "$state" "$tmp/before"
            run gild verify --repair
            is "$record after $damage cannot be mended" "$status" 3
            like "$record after $damage: what to do" "$(cat "$tmp/stdout")" \
                "^one/disk(@1)?: .*$record.* no other copy .*: put .*$record back from a backup, or remove it and publish again"
            is "$record after $damage: nothing else changed" "$(diff -r "$tmp/before" "$state")" ''
            rm -r "$tmp/before"
        done
    done
    fresh
    rm "$images/one/disk/2.json.sig"
    run gild verify --repair
    is 'a missing record' "$status" 3
    like 'a missing record: the channel names it' "$(cat "$tmp/stdout")" 'one/disk: its channel production names version 2, which is missing: publish to it again'
    publish one/disk "$tmp/one-disk-2.raw"
    run_ok 'a missing record: published again' gild verify
    fresh
    rm "$images/one/disk/channels.json.sig"
    run gild verify --repair
    is 'a missing channel record' "$status" 3
    publish one/disk "$tmp/one-disk-2.raw"
    is_whole 'a missing channel record, published again'
}

# The disk fails to give a chunk, and gives it again later.
test_unreadable ()
{
    local -x ASAN_OPTIONS=detect_leaks=0 # which strace stands in the way of
    if ! strace -f -o /dev/null true 2>/dev/null; then
        skip 'strace cannot trace here' 'a disk that fails'
        return
    fi
    local failing=(strace -f -qq -o "$tmp/trace" -P "$chunk" -e trace=read -e inject=read:error=EIO)
    fresh
    run "${failing[@]}" gild verify
    is 'a chunk that cannot be read: verify says no' "$status" 3
    like 'a chunk that cannot be read: and why' "$(cat "$tmp/stdout")" 'one/disk@1: chunk .* cannot be read .Input/output error'
    run "${failing[@]}" gild verify --repair
    is 'a chunk that cannot be read: repair says no' "$status" 3
    is 'a chunk that cannot be read: it is set aside' "$(set_aside)" 1
    run_ok 'a chunk that is readable again: repair' gild verify --repair
    is_whole 'a chunk that is readable again'
    fresh
    run strace -f -qq -o "$tmp/trace" -P "$state/images/one/disk/1.caibx" -e trace=pread64 -e inject=pread64:error=EIO \
        gild verify
    is 'an index that cannot be read: verify says no' "$status" 3
    like 'an index that cannot be read: and why' "$(cat "$tmp/stdout")" 'one/disk@1: index .* Input/output error'
}

# damage_everything: something of each kind.
damage_everything ()
{
    fresh
    echo litter >>"$chunk"
    flip "$(chunk_file one/disk@1 2)" 100
    rm "$zero" "$state/images/one/disk/2.json" "$(file_of "$(jq -r '.index.chunks[0]' "$state/images/other/disk/1.json")")"
    flip "$state/images/one/disk/1.caibx" 130
    rm "$state/images/one/disk/2.caibx"
}

# killed_at DESCRIPTION CALLS MAX: kill -9 before the Nth such call, for N from 1 on; then repair and publish heal.
killed_at ()
{
    local n
    for ((n = 1; n <= $3; n++)); do
        damage_everything
        run strace -f -qq -o "$tmp/trace" -e "trace=$2" -e "inject=$2:signal=SIGKILL:when=$n" gild verify --repair
        grep -q 'killed by SIGKILL' "$tmp/trace" || break
        is "$1, call $n: it is killed" "$status" 137
        run gild verify --repair
        is "$1, call $n: the next repair ends" "$status" 3
        is "$1, call $n: and misses one chunk, as before" "$(grep -cE '^one/disk@[12] lacks 1 chunk' "$tmp/stdout") $(tail -n 1 "$tmp/stdout" | grep -o '[0-9]* problems')" \
            '2 2 problems'
        publish one/disk "$tmp/one-disk-1.raw"
        is_whole "$1, call $n"
        gild gc >/dev/null 2>&1
        is "$1, call $n: gc removes the litter" "$(find "$state" -name '.staging*' -o -name '.damaged' -o -name '*.??????' | grep -v '\.caibx$\|\.cacnk$')" ''
    done
    is "$1: there was such a call" "$((n > 1))" 1
}

test_kills ()
{
    if ! strace -f -o /dev/null true 2>/dev/null; then
        skip 'strace cannot trace here' 'kill -9 at each system call'
        return
    fi
    killed_at 'kill -9 at rename' rename,renameat,renameat2 12
    killed_at 'kill -9 at syncfs, fsync and mkdir' syncfs,fsync,fdatasync,mkdirat,mkdir 12
    killed_at 'kill -9 at pwrite and truncate' pwrite64,ftruncate 3
}

# A publish and a repair at the same time, and a gc; nobody waits for ever and nothing is lost.
test_at_once ()
{
    local pids=() pid failed=0
    damage_everything
    gild publish one/disk "$tmp/one-disk-1.raw" >"$tmp/publish.log" 2>&1 &
    pids+=($!)
    gild gc --keep 9 >/dev/null 2>&1 &
    gild verify --repair >/dev/null 2>&1 &
    gild verify --repair one/disk >/dev/null 2>&1 &
    gild verify >/dev/null 2>&1 &
    gild publish other/disk "$tmp/other-disk-1.raw" >"$tmp/publish.log" 2>&1 &
    pids+=($!)
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=1
    done
    wait
    is 'all at once: both publishes succeed' "$failed" 0
    publish one/disk "$tmp/one-disk-1.raw"
    run_ok 'all at once: then a repair' gild verify --repair
    is_whole 'all at once'
}

new_site
make_raw "$tmp/one-disk-1.raw" $((9 * MIB + 512))
truncate -s $((9 * MIB + 512 + CHUNK)) "$tmp/one-disk-1.raw"
cp "$tmp/one-disk-1.raw" "$tmp/one-disk-2.raw"
put "$tmp/one-disk-2.raw" $((5 * MIB)) 4096 /dev/urandom
make_raw "$tmp/other-disk-1.raw" $((5 * MIB))
for version in one/disk@1 one/disk@2 other/disk@1; do
    publish "${version%@*}" "$tmp/${version//[\/@]/-}.raw"
done
chunk=$(chunk_file one/disk@1 0)
zero=$(chunk_file one/disk@1 $((2 * MIB / CHUNK)))
last_zero=$(chunk_file one/disk@1 $((9 * MIB / CHUNK + 1)))
cp -a "$state" "$tmp/prepared"
run_ok 'nothing to repair' gild verify --repair
is 'nothing has changed' "$(diff -r "$tmp/prepared" "$state")" ''
run_ok 'in JSON' gild verify --repair --json
is 'there are no problems and nothing was mended' "$(jq -c '[.problems, .mended]' "$tmp/stdout")" '[[],[]]'
run_fails 'an image that is not there' 1 'no/such' gild verify --repair no/such
run_fails 'a version that is not there' 1 'one/disk@9' gild verify --repair one/disk@9
test_frames
test_lost_chunks
test_unneeded
test_indexes
test_records
test_unreadable
test_kills
test_at_once
done_testing
