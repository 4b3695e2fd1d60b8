#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild diff and gild images --du count the chunks that two versions, or a version and all others, do not share.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq

readonly MIB=$((1024 * 1024))

# differ JQ A B: what gild diff says of them.
differ ()
{
    gild diff --json "$2" "$3" | jq -c "$1"
}

# alone JQ: of the entries of --du that JQ selects, their bytes.
alone ()
{
    gild images --du --json | jq ".usage[] | select($1) | .alone"
}

# bytes_on_disk: of all chunks.
bytes_on_disk ()
{
    find "$state/store.castr" -name '*.cacnk' -printf '%b\n' | awk '{ n += $1 * 512 } END { print n + 0 }'
}

new_site
run_fails 'one version' 2 '.' gild diff a/disk@1
run_fails 'three' 2 '.' gild diff a/disk@1 2 3
run_fails 'no image' 2 "'a' is not an image" gild diff a@1 2
run_fails 'a number that is none' 2 '02' gild diff a/disk@1 02
run_fails 'an image that is not there' 1 'a/disk' gild diff a/disk@1 2
run_fails '--du of it' 1 'a/disk' gild images --du a/disk
run_fails '--du and --history' 2 'give one' gild images --du --history a/disk

make_raw "$tmp/disk.raw" $((16 * MIB))
publish a/disk "$tmp/disk.raw"
is 'one version costs the store all of it' "$(alone '.version == 1')" "$(bytes_on_disk)"
is 'and so does the image' "$(alone '.version == null')" "$(bytes_on_disk)"
before=$(bytes_on_disk)

# Two chunks changed, alike; one is zero now; the rest is the same.
head -c 65536 /dev/urandom >"$tmp/chunk"
put "$tmp/disk.raw" $((5 * MIB)) 65536 "$tmp/chunk"
put "$tmp/disk.raw" $((10 * MIB)) 65536 "$tmp/chunk"
put "$tmp/disk.raw" 0 65536 /dev/zero
publish a/disk "$tmp/disk.raw"
added=$(($(bytes_on_disk) - before))
run_ok 'gild diff' gild diff a/disk@1 2
like 'says what of the disk differs' "$(cat "$tmp/stdout")" '^192 KiB of the disk differ, 64\.0 KiB of that are zero now$'
like 'and what is to be fetched' "$(cat "$tmp/stdout")" '^.* to fetch: 1 chunks, and [1-9][0-9]* of the index$'
is 'the same in JSON' "$(differ '[.from, .to, .changed, .zeroed, .new_chunks, .absent_chunks]' a/disk@1 a/disk@2)" \
    '["a/disk@1","a/disk@2",196608,65536,1,0]'
is 'production is meant where no version is' "$(differ .to a/disk@1 a/disk)" '"a/disk@2"'
is 'a version differs in nothing from itself' \
    "$(differ '[.changed, .zeroed, .new_chunks, .new_size, .index_chunks, .index_size]' a/disk@2 2)" '[0,0,0,0,0,0]'
is 'the new version costs what it has added' "$(alone '.version == 2')" "$added"
is 'the image costs all' "$(alone '.version == null')" "$(bytes_on_disk)"
old=$(alone '.version == 1')
is 'the old one what is free without it' "$(gild gc --keep 1 --json | jq .freed)" "$old"
is 'which is gone from the disk' "$(bytes_on_disk)" $((before + added - old))

# Of another image, and longer.
truncate -s $((17 * MIB)) "$tmp/disk.raw"
put "$tmp/disk.raw" $((17 * MIB - 65536)) 65536 /dev/urandom
publish b/disk "$tmp/disk.raw"
is 'what another image has more' "$(differ '[.changed, .zeroed, .new_chunks]' a/disk@2 b/disk@1)" \
    "[$MIB,$((MIB - 65536)),1]"
is 'and less' "$(differ '[.changed, .zeroed, .new_chunks]' b/disk@1 a/disk@2)" "[$MIB,0,0]"
run_ok 'the table' gild images --du a/disk
is 'is of the image that was named' "$(awk '{ print $1 }' "$tmp/stdout" | tr '\n' ' ')" 'IMAGE a/disk@2 a/disk '

chunk=$(find "$state/store.castr" -name "$(sha256sum <"$tmp/chunk" | cut -c -64).cacnk")
rm "$chunk"
rm -r "$state/images/b"
make_raw "$tmp/other.raw" $MIB
publish c/disk "$tmp/other.raw"
is 'a chunk that is not here is said' "$(differ .absent_chunks c/disk@1 a/disk@2)" 1
flip "$state/images/a/disk/2.caibx" 1000
run_fails 'a damaged index' 1 'a/disk' gild diff c/disk@1 a/disk@2
run_fails 'of which nobody knows what is whose' 1 'a/disk' gild images --du
done_testing
