#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild publish: every format, chains of files, sizes, and that it is the same disk that comes out again.
. "$(dirname "$0")/lib.sh"
needs qemu-img qemu-nbd jq

readonly MIB=$((1024 * 1024))

# comes_back IMAGE FORMAT FILE: export what was published last, and compare.
comes_back ()
{
    run_ok "$1: export" gild export "$1" "$tmp/out.qcow2" --force
    same_disk "$1: what comes out is what went in" "$2" "$3" qcow2 "$tmp/out.qcow2"
}

test_formats ()
{
    local format suffix
    make_raw "$tmp/disk.raw" $((20 * MIB))
    while read -r format suffix; do
        [ "$format" = raw ] || qemu-img convert -f raw -O "$format" "$tmp/disk.raw" "$tmp/disk.$suffix"
        run_ok "publish a .$suffix" gild publish "formats/$suffix" "$tmp/disk.$suffix"
        is ".$suffix: its first line is the new version" "$(head -n 1 "$tmp/stdout")" "formats/$suffix@1"
        comes_back "formats/$suffix" "$format" "$tmp/disk.$suffix"
    done <<'END'
raw raw
qcow2 qcow2
vmdk vmdk
vhdx vhdx
vdi vdi
END
    cp "$tmp/disk.raw" "$tmp/disk.bin"
    run_ok 'a format that -f states' gild publish formats/stated "$tmp/disk.bin" -f raw
    comes_back formats/stated raw "$tmp/disk.bin"
}

test_again ()
{
    local before
    make_qcow2 "$tmp/again.qcow2" $((12 * MIB))
    publish again/disk "$tmp/again.qcow2"
    before=$(find "$state/store.castr" -name '*.cacnk' | sort)
    run_ok 'publish the same again' gild publish again/disk "$tmp/again.qcow2" --note 'nothing new'
    is 'it is the next version' "$(head -n 1 "$tmp/stdout")" again/disk@2
    is 'the store has nothing more' "$(find "$state/store.castr" -name '*.cacnk' | sort)" "$before"
    is 'the note is in the record' "$(jq -r .note "$state/images/again/disk/2.json")" 'nothing new'
    is 'the parent is in the record' "$(jq -r .parent "$state/images/again/disk/2.json")" 1
    is 'what is new is in the record' "$(jq -r .new_size "$state/images/again/disk/2.json")" 0
    is 'production is the new version' "$(jq .channels.production "$state/images/again/disk/channels.json")" 2
    run_ok 'publish to a channel of its own' gild publish again/disk "$tmp/again.qcow2" --channel test
    is 'which names it' "$(jq .channels.test "$state/images/again/disk/channels.json")" 3
    is 'production stays' "$(jq .channels.production "$state/images/again/disk/channels.json")" 2
}

test_chain ()
{
    mkdir -p "$tmp/chain"
    make_raw "$tmp/chain/bottom.raw" $((10 * MIB))
    qemu-img create -q -f qcow2 -F raw -b bottom.raw "$tmp/chain/middle.qcow2"
    qemu-img create -q -f qcow2 -F qcow2 -b "$tmp/chain/middle.qcow2" "$tmp/chain/top.qcow2" 14M
    qemu-io -f qcow2 -c 'write -P 17 2M 1M' "$tmp/chain/middle.qcow2" >/dev/null
    qemu-io -f qcow2 -c 'write -P 34 9M 3M' -c 'write -z 0 128k' "$tmp/chain/top.qcow2" >/dev/null
    run_ok 'publish the top of a chain' gild publish chain/top "$tmp/chain/top.qcow2"
    like 'the file in the middle is named' "$(cat "$tmp/stderr")" 'middle\.qcow2'
    like 'the file at the bottom is named' "$(cat "$tmp/stderr")" 'bottom\.raw'
    comes_back chain/top qcow2 "$tmp/chain/top.qcow2"
}

test_sizes ()
{
    local size
    for size in 512 65024 65536 66048 196608 $((3 * 65536 + 512)) $((9 * MIB + 4096)); do
        make_raw "$tmp/size.raw" "$size"
        run_ok "a disk of $size bytes" gild publish sizes/disk "$tmp/size.raw"
        comes_back sizes/disk raw "$tmp/size.raw"
    done
    truncate -s $((32 * 1024 * MIB)) "$tmp/empty.raw"
    run_ok 'a disk of 32 GiB with nothing on it' gild publish sizes/empty "$tmp/empty.raw"
    is 'holds no data' "$(jq .data_size "$state/images/sizes/empty/1.json")" 0
}

# Zeros are the same whether written or not: no data.
test_zeros ()
{
    head -c 3M /dev/zero >"$tmp/zeros.raw"
    publish zeros/written "$tmp/zeros.raw"
    is 'written zeros are no data' "$(jq .data_size "$state/images/zeros/written/1.json")" 0
}

test_source_untouched ()
{
    local sum
    make_qcow2 "$tmp/same.qcow2" $((5 * MIB))
    chmod 444 "$tmp/same.qcow2"
    sum=$(sha256sum <"$tmp/same.qcow2")
    run_ok 'publish a file that is read-only' gild publish same/disk "$tmp/same.qcow2"
    is 'which stays as it was' "$(sha256sum <"$tmp/same.qcow2")" "$sum"
    run_ok 'a name with spaces and a colon' cp "$tmp/same.qcow2" "$tmp/a b:c,d.qcow2"
    run_ok 'is a file like any other' gild publish same/disk "$tmp/a b:c,d.qcow2"
    comes_back same/disk qcow2 "$tmp/same.qcow2"
}

new_site
test_formats
test_again
test_chain
test_sizes
test_zeros
test_source_untouched
run_ok 'and everything verifies' gild verify
done_testing
