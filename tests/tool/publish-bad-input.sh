#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild publish refuses what it must, says why, and leaves the site as it was.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq

readonly MIB=$((1024 * 1024))

# refused DESCRIPTION STATUS REGEX ARGUMENT…: gild publish fails so, and the site has not changed.
refused ()
{
    run_fails "$1" "$2" "$3" gild publish "${@:4}"
    is "$1: nothing is left" "$(state_files)" "$before"
}

test_names ()
{
    local name long
    long=$(printf 'x%.0s' $(seq 300))
    for name in ../etc/passwd demo/../x demo demo/ /demo demo/a/b Demo/desktop demo/Desktop "demo/$long" \
        "$long/desktop" '' . .. demo/. demo/.. 'demo/a b' $'demo/a\nb' demo/-x demo/é demo/disk@3; do
        refused "the name '${name:0:30}'" 2 '.' "$name" "$tmp/good.qcow2"
    done
}

test_files ()
{
    local size
    refused 'a file that is not there' 1 'nowhere\.qcow2' demo/disk "$tmp/nowhere.qcow2"
    refused 'a directory' 1 'neither a file' demo/disk "$tmp" -f raw
    : >"$tmp/empty.qcow2"
    refused 'an empty qcow2' 1 'empty\.qcow2' demo/disk "$tmp/empty.qcow2"
    : >"$tmp/empty.raw"
    refused 'an empty raw image' 1 'empty\.raw' demo/disk "$tmp/empty.raw"
    for size in 3 100 1000 70000; do
        head -c "$size" "$tmp/good.qcow2" >"$tmp/short.qcow2"
        refused "a qcow2 cut off after $size bytes" 1 'short\.qcow2' demo/disk "$tmp/short.qcow2"
    done
    size=$(stat -c %s "$tmp/good.qcow2")
    head -c $((size / 2)) "$tmp/good.qcow2" >"$tmp/short.qcow2"
    refused 'a qcow2 of which half is missing' 1 'short\.qcow2' demo/disk "$tmp/short.qcow2"
    refused 'a fifo' 1 'fifo' demo/disk "$tmp/fifo.raw"
}

# The L1 table's offset is at byte 40 of the header, the refcount table's at 48, the size at 24.
test_damaged ()
{
    cp "$tmp/good.qcow2" "$tmp/damaged.qcow2"
    printf '\xff\xff\xff\xff\xff\xff\xff\x00' | put "$tmp/damaged.qcow2" 40 8
    refused 'a qcow2 whose tables are elsewhere' 1 'damaged\.qcow2' demo/disk "$tmp/damaged.qcow2"
    cp "$tmp/good.qcow2" "$tmp/damaged.qcow2"
    put "$tmp/damaged.qcow2" $((3 * 65536)) 65536 /dev/urandom
    refused 'a qcow2 whose L1 table is noise' 1 'damaged\.qcow2' demo/disk "$tmp/damaged.qcow2"
}

test_virtual_size ()
{
    cp "$tmp/good.qcow2" "$tmp/size.qcow2"
    printf '\x00\x00\x00\x00\x00\x00\x00\x00' | put "$tmp/size.qcow2" 24 8
    refused 'a virtual size of 0' 1 'size\.qcow2' demo/disk "$tmp/size.qcow2"
    printf '\x80\x00\x00\x00\x00\x00\x00\x00' | put "$tmp/size.qcow2" 24 8
    refused 'a virtual size of 2^63' 1 'size\.qcow2' demo/disk "$tmp/size.qcow2"
    qemu-img create -q -f qcow2 "$tmp/huge.qcow2" 5T
    refused 'a virtual size of more than 4 TiB' 1 'huge\.qcow2.*TiB' demo/disk "$tmp/huge.qcow2"
}

test_format ()
{
    cp "$tmp/good.qcow2" "$tmp/good.bin"
    refused 'a suffix that says nothing' 1 'with -f' demo/disk "$tmp/good.bin"
    refused 'a format that does not exist' 1 'nonsense' demo/disk "$tmp/good.bin" -f nonsense
    cp "$tmp/good.qcow2" "$tmp/qcow2.raw"
    refused 'a qcow2 that is called raw' 1 'qcow2' demo/disk "$tmp/qcow2.raw"
    refused 'a qcow2 that -f calls raw' 1 'qcow2' demo/disk "$tmp/good.bin" -f raw
    make_raw "$tmp/raw.qcow2" $MIB
    refused 'a raw image that is called qcow2' 1 'raw\.qcow2' demo/disk "$tmp/raw.qcow2"
    qemu-img convert -O vmdk "$tmp/good.qcow2" "$tmp/vmdk.qcow2"
    refused 'a vmdk that is called qcow2' 1 'vmdk' demo/disk "$tmp/vmdk.qcow2"
}

# backing FILE FORMAT: a qcow2 that says so of its backing file, which need not be there.
backing ()
{
    rm -f "$tmp/top.qcow2"
    qemu-img create -q -u -f qcow2 -F "$2" -b "$1" "$tmp/top.qcow2" 4M
}

test_references ()
{
    local reference
    backing /etc/shadow raw
    refused 'a backing file /etc/shadow' 1 '/etc/shadow' demo/disk "$tmp/top.qcow2"
    backing ../../../../../../etc/passwd raw
    refused 'a backing file ../../etc/passwd' 1 'passwd' demo/disk "$tmp/top.qcow2"
    ln -s /etc/passwd "$tmp/link.raw"
    backing link.raw raw
    refused 'a backing file that is a link to /etc/passwd' 1 'passwd|link\.raw' demo/disk "$tmp/top.qcow2"
    backing top.qcow2 qcow2
    refused 'itself as its backing file' 1 'top\.qcow2' demo/disk "$tmp/top.qcow2"
    backing missing.qcow2 qcow2
    refused 'a backing file that is not there' 1 'missing\.qcow2' demo/disk "$tmp/top.qcow2"
    for reference in http://127.0.0.1:1/disk nbd://127.0.0.1:1/disk nbd+unix:///x?socket=/nowhere ssh://127.0.0.1/disk \
        'json:{"driver":"file","filename":"/etc/passwd"}' 'json:{"driver":"nbd","host":"127.0.0.1"}' \
        fat:/etc host_device:/dev/null; do
        backing "$reference" raw
        refused "a backing file $reference" 1 'top\.qcow2|backing' demo/disk "$tmp/top.qcow2"
    done
    # A loop of two.
    rm -f "$tmp/a.qcow2" "$tmp/b.qcow2"
    qemu-img create -q -u -f qcow2 -F qcow2 -b b.qcow2 "$tmp/a.qcow2" 4M
    qemu-img create -q -u -f qcow2 -F qcow2 -b a.qcow2 "$tmp/b.qcow2" 4M
    refused 'two files that are each other'\''s backing' 1 'a\.qcow2' demo/disk "$tmp/a.qcow2"
}

test_data_file ()
{
    rm -f "$tmp/data.qcow2" "$tmp/data.raw"
    qemu-img create -q -f qcow2 -o "data_file=$tmp/data.raw,data_file_raw=on" "$tmp/data.qcow2" 4M
    refused 'a qcow2 with a data file' 1 'external file' demo/disk "$tmp/data.qcow2"
    # The name in the header is as long, and points elsewhere.
    qemu-img amend -q -f qcow2 -o data_file=/etc/shadow "$tmp/data.qcow2" 2>/dev/null ||
        LC_ALL=C sed -i "s,$tmp/data.raw,$(printf '%*s' ${#tmp} '' | tr ' ' /)etc/shadow," "$tmp/data.qcow2"
    refused 'a qcow2 whose data file is /etc/shadow' 1 'external file' demo/disk "$tmp/data.qcow2"
}

# A vmdk says in its descriptor, which is text, whose child it is, and in what files its data is.
test_vmdk ()
{
    local hint
    for hint in /etc/shadow nbd+unix:///?socket=/nowhere; do
        qemu-img convert -O vmdk "$tmp/good.qcow2" "$tmp/hint.vmdk"
        printf 'parentFileNameHint="%s"\n' "$hint" >"$tmp/hint"
        # It takes the place of a comment, which may be as long.
        put "$tmp/hint.vmdk" $(($(grep -abo '# The Disk Data Base' "$tmp/hint.vmdk" | sed -n 1p | cut -d : -f 1))) \
            "$(stat -c %s "$tmp/hint")" "$tmp/hint"
        refused "a vmdk whose parent is $hint" 1 'hint\.vmdk' demo/disk "$tmp/hint.vmdk"
    done
    qemu-img convert -O vmdk -o subformat=monolithicFlat "$tmp/good.qcow2" "$tmp/flat.vmdk"
    refused 'a vmdk whose data is in another file' 1 'flat\.vmdk' demo/disk "$tmp/flat.vmdk"
}

test_usage ()
{
    refused 'no arguments' 2 'usage|gild publish' 
    refused 'one argument' 2 'usage|gild publish' demo/disk
    refused 'three arguments' 2 '.' demo/disk "$tmp/good.qcow2" "$tmp/good.qcow2"
    refused 'an unknown option' 2 'frobnicate' demo/disk "$tmp/good.qcow2" --frobnicate
    refused 'a channel with a bad name' 2 'channel' demo/disk "$tmp/good.qcow2" --channel 'No/Channel'
    refused 'a note that is too long' 2 'note' demo/disk "$tmp/good.qcow2" --note "$(printf 'x%.0s' $(seq 2000))"
}

test_no_key ()
{
    mv "$state/site/site.sec" "$tmp/site.sec"
    before=$(state_files)
    refused 'publishing without the signing key' 1 'sign|publisher' demo/disk "$tmp/good.qcow2"
    head -c 60 "$tmp/site.sec" >"$state/site/site.sec"
    before=$(state_files)
    refused 'a signing key that is cut short' 1 'site\.sec' demo/disk "$tmp/good.qcow2"
    mv "$tmp/site.sec" "$state/site/site.sec"
}

test_no_site ()
{
    printf '[paths]\nstate=%s\nrun=%s\n' "$tmp/nowhere" "$run" >"$tmp/other.conf"
    run_fails 'publishing where there is no site' 1 'gild init' \
        gild publish demo/disk "$tmp/good.qcow2" --config "$tmp/other.conf"
    is 'makes none' "$(find "$tmp/nowhere" 2>/dev/null)" ''
}

new_site
make_qcow2 "$tmp/good.qcow2" $((8 * MIB))
mkfifo "$tmp/fifo.raw"
publish other/disk "$tmp/good.qcow2"
before=$(state_files)
test_names
test_files
test_damaged
test_virtual_size
test_format
test_references
test_data_file
test_vmdk
test_usage
test_no_key
test_no_site
run_ok 'after all that, publish' gild publish demo/disk "$tmp/good.qcow2"
is 'is the first version' "$(head -n 1 "$tmp/stdout")" demo/disk@1
done_testing
