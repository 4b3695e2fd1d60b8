#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdkit's plugin: what clients get of versions that are whole, damaged, missing, new and being collected.
. "$(dirname "$0")/lib.sh"
needs nbdkit nbdinfo nbdcopy qemu-img readelf jq

readonly MIB=$((1024 * 1024)) GIB=$((1024 * 1024 * 1024)) CHUNK=65536
readonly plugin=${GILD_NBDKIT_PLUGIN:?the plugin to test} client=${builddir:?}/tests/tool/nbd-client
readonly socket=$tmp/nbd.sock

# start_nbdkit [PARAMETER…]: a server on $socket; its process is $nbdkit_pid, what it says in nbdkit.log.
start_nbdkit ()
{
    rm -f "$socket"
    nbdkit --foreground --readonly --unix "$socket" "$plugin" "$@" 2>"$tmp/nbdkit.log" &
    nbdkit_pid=$!
    stop_at_exit "$nbdkit_pid"
    wait_for 10 test -S "$socket"
}

uri ()
{
    echo "nbd+unix:///$1?socket=$socket"
}

# chunk_file IMAGE@V N: the store's file of its Nth chunk, which the index names 40 bytes after the one before.
chunk_file ()
{
    local id
    id=$(od -An -v -tx1 -j $((64 + 40 * $2 + 8)) -N 32 "$state/images/${1%@*}/${1#*@}.caibx" | tr -d ' \n')
    echo "$state/store.castr/${id:0:4}/$id.cacnk"
}

# merged_map: "START LENGTH ZERO" of stdin, which may cut the same kind into several.
merged_map ()
{
    awk 'NR > 1 && $3 == zero { length_ += $2; next }
         NR > 1 { print start, length_, zero }
         { start = $1; length_ = $2; zero = $3 }
         END { print start, length_, zero }'
}

source_map ()
{
    qemu-img map --output=json -f "$1" "$2" |
        jq -r '.[] | "\(.start) \(.length) \(if .zero then 1 else 0 end)"' | merged_map
}

export_map ()
{
    nbdinfo --map --json "$(uri "$1")" |
        jq -r '.[] | "\(.offset) \(.length) \(if .type == 3 then 1 else 0 end)"' | merged_map
}

read_at ()
{
    "$client" "$(uri "$1")" read "$2" "$3"
}

# The source's own map says zero only where whole chunks are, so that the two can be compared.
make_mapped ()
{
    truncate -s $((40 * MIB)) "$1"
    put "$1" 0 $CHUNK /dev/urandom
    put "$1" $((5 * CHUNK)) $((3 * CHUNK)) /dev/urandom
    put "$1" $((20 * MIB)) $MIB /dev/urandom
    put "$1" $((40 * MIB - CHUNK)) $CHUNK /dev/urandom
}

run_ok 'it describes itself' nbdkit --dump-plugin "$plugin"
like 'as parallel' "$(cat "$tmp/stdout")" '^thread_model=parallel'
like 'it is never unloaded, since its threads may end later' "$(readelf -d "$plugin")" NODELETE
run_fails 'an unknown parameter' 1 "unknown parameter 'colour'.*config=" nbdkit "$plugin" colour=red
run_fails 'a cache size that is none' 1 "cache-size=.*'much' is not a size" nbdkit "$plugin" cache-size=much
run_fails 'a configuration that is not there' 1 'nowhere\.conf' nbdkit "$plugin" config="$tmp/nowhere.conf"
echo 'colour=red' >"$tmp/bad.conf"
run_fails 'a configuration that is none' 1 'bad\.conf' nbdkit "$plugin" config="$tmp/bad.conf"

# It runs before there is a site, as a host's services do.
state=$tmp/state run=$tmp/run
mkdir -p "$run"
printf '[paths]\nstate=%s\nrun=%s\n[nbd]\ncache-size=4MiB\n' "$state" "$run" >"$tmp/gild.conf"
export GILD_CONFIG=$tmp/gild.conf
start_nbdkit "config=$tmp/gild.conf"
run_fails 'before there is a site' 1 '.' nbdinfo "$(uri a/disk@1)"
like 'the log says what to do' "$(cat "$tmp/nbdkit.log")" 'gild init'
new_site
printf '[nbd]\ncache-size=4MiB\n[fetch]\ndeadline=1\n' >>"$tmp/gild.conf"

make_mapped "$tmp/mapped.raw"
qemu-img convert -f raw -O qcow2 "$tmp/mapped.raw" "$tmp/mapped.qcow2"
publish a/disk "$tmp/mapped.qcow2" --note 'for a test'
run_ok 'an image that appears while it runs' nbdinfo --json "$(uri a/disk@1)"
is 'has its size' "$(jq '.exports[0]."export-size"' "$tmp/stdout")" $((40 * MIB))
is 'is read-only' "$(jq '.exports[0].is_read_only' "$tmp/stdout")" true
is 'takes several connections' "$(jq '.exports[0].can_multi_conn' "$tmp/stdout")" true
is 'can be cached' "$(jq '.exports[0].can_cache' "$tmp/stdout")" true
is 'likes whole chunks' "$(jq '.exports[0].block_size_preferred' "$tmp/stdout")" $CHUNK
is 'carries its note' "$(jq -r '.exports[0].description' "$tmp/stdout")" 'for a test'
is 'its map is the source'\''s' "$(export_map a/disk@1)" "$(source_map qcow2 "$tmp/mapped.qcow2")"
run_ok 'it is the same disk' qemu-img compare -f qcow2 -F raw "$tmp/mapped.qcow2" "$(uri a/disk@1)"
for connections in 1 4; do
    run_ok "nbdcopy over $connections" nbdcopy --connections=$connections "$(uri a/disk@1)" "$tmp/copy.raw"
    run_ok 'copies the same bytes' cmp "$tmp/copy.raw" "$tmp/mapped.raw"
done

odd=$((9 * MIB + 25 * 512)) # qemu-nbd serves whole sectors
make_raw "$tmp/odd.raw" $odd
publish a/odd "$tmp/odd.raw"
make_raw "$tmp/tiny.raw" 512
publish a/tiny "$tmp/tiny.raw"
run_ok 'a size that is no multiple of anything' nbdcopy "$(uri a/odd@1)" "$tmp/copy.raw"
run_ok 'is copied to its last byte' cmp "$tmp/copy.raw" "$tmp/odd.raw"
run_ok 'a disk of one sector' nbdcopy "$(uri a/tiny@1)" "$tmp/copy.raw"
run_ok 'as well' cmp "$tmp/copy.raw" "$tmp/tiny.raw"
for range in "0 1" "65535 2" "65536 65536" "1000 200000" "$((3 * MIB - 7)) $((MIB + 14))" "$((odd - 1)) 1" \
    "$((odd - 70000)) 70000"; do
    read -r offset count <<<"$range"
    read_at a/odd@1 "$offset" "$count" >"$tmp/part"
    run_ok "$count bytes at $offset" cmp "$tmp/part" \
        <(tail -c +$((offset + 1)) "$tmp/odd.raw" | head -c "$count")
done
run_fails 'a request past the end' 1 '.' "$client" "$(uri a/odd@1)" read $odd 1

run_ok 'the list of exports' nbdinfo --list --json "$(uri '')"
is 'has all' "$(jq -r '.exports[]."export-name"' "$tmp/stdout" | tr '\n' ' ')" 'a/disk@1 a/odd@1 a/tiny@1 '
is 'each with its size' "$(jq -r '.exports[]."export-size"' "$tmp/stdout" | tr '\n' ' ')" "$((40 * MIB)) $odd 512 "

# CVE-2025-47711: nbdkit 1.32 aborts on extents past the request, near 4 GiB.
truncate -s $((5 * GIB)) "$tmp/large.raw"
put "$tmp/large.raw" $((4 * GIB + CHUNK)) $CHUNK /dev/urandom
publish a/large "$tmp/large.raw"
almost=$((4 * GIB - 1))
for offset in 0 1 $((GIB - 1)) $((GIB + 1)); do
    count=$((5 * GIB - offset < almost ? 5 * GIB - offset : almost))
    run_ok "block status of $count bytes at $offset" "$client" "$(uri a/large@1)" status "$offset" "$count"
    is 'says nothing about more than was asked' \
        "$(awk -v n="$count" '{ s += $1 } END { print (NR > 0 && s <= n) }' "$tmp/stdout")" 1
done
truncate -s $((5 * GIB)) "$tmp/empty.raw"
publish a/empty "$tmp/empty.raw"
run_ok 'block status of a disk of zeros' "$client" "$(uri a/empty@1)" status $((GIB + 1)) $almost
is 'is one hole to the end' "$(cat "$tmp/stdout")" "$almost 3"
is 'nbdkit still runs' "$(kill -0 $nbdkit_pid && echo yes)" yes

for bad in '' a/disk a/disk@2 a/none@1 a/disk@0 a/disk@01 a/disk@1@1 ../disk@1 A/disk@1 "$(printf 'a%.0s' {1..300})/b@1"; do
    run_fails "the export '${bad:0:20}'" 1 '.' nbdinfo "$(uri "$bad")"
done
log=$(cat "$tmp/nbdkit.log")
like 'no name at all: the log says what to ask for' "$log" 'no default export.*DEPARTMENT/NAME@VERSION'
like 'no version: the log says so' "$log" "'a/disk' names no version: ask for a/disk@VERSION"
like 'no such version: the log names it' "$log" 'a/disk@2|a/disk.*2\.json'
like 'no such image: the log names it' "$log" 'a/none'
run_fails 'a write' 1 'Operation not permitted|not allowed|[Rr]ead-only' "$client" "$(uri a/disk@1)" write 0 512

# The cache: chunks that it has need no store.
file=$(chunk_file a/disk@1 6)
run_ok 'NBD_CMD_CACHE' "$client" "$(uri a/disk@1)" cache $((5 * CHUNK)) $((3 * CHUNK))
mv "$file" "$tmp/saved"
read_at a/disk@1 $((6 * CHUNK)) $CHUNK >"$tmp/part"
run_ok 'what was cached is read without the store' cmp "$tmp/part" \
    <(tail -c +$((6 * CHUNK + 1)) "$tmp/mapped.raw" | head -c $CHUNK)
run_ok 'to cache a hole' "$client" "$(uri a/empty@1)" cache 0 $almost
mv "$tmp/saved" "$file"

# Who reads one piece after another gets the next chunk before asking for it.
stop $nbdkit_pid
start_nbdkit "config=$tmp/gild.conf"
was_read_ahead ()
{
    qemu-io -f raw -r -c "read $((5 * CHUNK)) 4096" -c "read $((5 * CHUNK + 4096)) 4096" "$(uri a/disk@1)" >"$tmp/qemu-io.log"
    mv "$file" "$tmp/saved"
    read_at a/disk@1 $((6 * CHUNK)) 4096 >"$tmp/part" && return
    mv "$tmp/saved" "$file"
    return 1
}
run_ok 'the chunk after it is read ahead' wait_for 30 was_read_ahead
run_ok 'with the right bytes' cmp "$tmp/part" <(tail -c +$((6 * CHUNK + 1)) "$tmp/mapped.raw" | head -c 4096)

# Damage: an error, never other bytes.  A server of its own, with nothing cached.
stop $nbdkit_pid
start_nbdkit "config=$tmp/gild.conf" cache-size=0
run_fails 'a chunk that is missing' 1 'Input/output error' "$client" "$(uri a/disk@1)" read $((6 * CHUNK)) 4096
like 'the log names export, offset and remedy' "$(cat "$tmp/nbdkit.log")" \
    "a/disk@1: cannot read at offset $((6 * CHUNK)): .*missing.*gild verify"
like 'and the chunk' "$(cat "$tmp/nbdkit.log")" "$(basename "$file" .cacnk)"
run_fails 'a request that only begins before it' 1 'Input/output error' \
    "$client" "$(uri a/disk@1)" read $((5 * CHUNK)) $((3 * CHUNK))
run_fails 'to cache it' 1 'Input/output error' "$client" "$(uri a/disk@1)" cache $((5 * CHUNK)) $((3 * CHUNK))
run_ok 'what lies beside it can be read' "$client" "$(uri a/disk@1)" read $((5 * CHUNK)) $CHUNK
cp "$(chunk_file a/disk@1 7)" "$file"
run_fails 'another chunk in its place' 1 'Input/output error' "$client" "$(uri a/disk@1)" read $((6 * CHUNK)) $CHUNK
cp "$tmp/saved" "$file"
run_ok 'when it is back' "$client" "$(uri a/disk@1)" read $((6 * CHUNK)) $CHUNK

size=$(stat -c %s "$tmp/saved")
for damage in "flip 6" "flip $((size / 2))" "flip $((size - 1))" "cut 0" "cut 10" "cut $((size - 1))" "append 1"; do
    read -r kind at <<<"$damage"
    cp "$tmp/saved" "$file"
    case $kind in
    flip) flip "$file" "$at" ;;
    cut) truncate -s "$at" "$file" ;;
    append) echo x >>"$file" ;;
    esac
    for count in 4096 $CHUNK; do
        run_fails "a damaged chunk ($damage), $count bytes of it" 1 'Input/output error' \
            "$client" "$(uri a/disk@1)" read $((6 * CHUNK)) "$count"
    done
done
like 'the log names what to do' "$(cat "$tmp/nbdkit.log")" 'damaged.*gild verify'
cp "$tmp/saved" "$file"

# Records and indexes.
for file in 1.json.sig 1.caibx; do
    path=$state/images/a/odd/$file
    cp "$path" "$tmp/saved"
    size=$(stat -c %s "$path")
    for at in 5 $((size / 2)) $((size - 2)); do
        flip "$path" "$at"
        run_fails "$file with a byte flipped at $at" 1 '.' nbdinfo "$(uri a/odd@1)"
        cp "$tmp/saved" "$path"
    done
    truncate -s $((size - 40)) "$path"
    run_fails "$file cut short" 1 '.' nbdinfo "$(uri a/odd@1)"
    cp "$state/images/a/disk/$file" "$path"
    run_fails "$file of another image" 1 '.' nbdinfo "$(uri a/odd@1)"
    cp "$tmp/saved" "$path"
    run_ok "$file as it was" nbdinfo "$(uri a/odd@1)"
done
stop $nbdkit_pid

# gc and publish at the same time, and a reader that must not see them.
start_nbdkit "state=$state" cache-size=1MiB
make_raw "$tmp/busy.raw" $((12 * MIB))
publish a/busy "$tmp/busy.raw"
read_on ()
{
    while [ ! -e "$tmp/enough" ]; do
        qemu-img compare -f raw -F raw "$tmp/busy.raw" "$(uri a/busy@1)" || return 1
    done
}
# One connection holds the version all the time, as a desktop does.
mkfifo "$tmp/hold"
qemu-io -f raw -r "$(uri a/busy@1)" <"$tmp/hold" >"$tmp/qemu-io.log" 2>&1 &
stop_at_exit $!
exec 7>"$tmp/hold"
echo 'read -P 0 2097152 4096' >&7
run_ok 'a connection holds the version' wait_for 60 grep -q 'read 4096' "$tmp/qemu-io.log"
read_on >"$tmp/reader.log" 2>&1 &
reader=$!
stop_at_exit $reader
for round in 1 2 3 4; do
    make_raw "$tmp/next.raw" $((4 * MIB))
    gild publish a/busy "$tmp/next.raw" >>"$tmp/writers.log" 2>&1 || not_ok "publish in round $round"
    gild gc --keep 1 >>"$tmp/writers.log" 2>&1 || not_ok "gc in round $round"
done
touch "$tmp/enough"
if wait $reader; then
    ok 'who reads sees nothing of gc and publish'
else
    not_ok 'who reads sees nothing of gc and publish'
    diag_file "$tmp/reader.log" "$tmp/nbdkit.log"
fi
is 'the version that is open stays' "$(versions_on_disk | sed -n 's/^a\/busy@//p' | sort -n | tr '\n' ' ')" '1 5 '
exec 7>&-
wait_for 10 gild gc --keep 1
wait_for 10 sh -c "gild gc --keep 1 && [ ! -e '$state/images/a/busy/1.caibx' ]"
run_fails 'when it is closed, gc takes it' 1 '.' nbdinfo "$(uri a/busy@1)"
run_ok 'and the others are whole' gild verify
done_testing
