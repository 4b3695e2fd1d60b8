#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild diff --files: which files differ, of file systems that are mounted nowhere, and of which nothing stays.
. "$(dirname "$0")/lib.sh"
needs jq sfdisk mke2fs debugfs mkswap losetup pgrep
host_needs
[ -c /dev/fuse ] && grep -qw fuse /proc/filesystems || skip_all 'this kernel has no FUSE'
[ -b /dev/loop0 ] && [ -c /dev/loop-control ] || skip_all 'there are no loop devices here'
host_up
readonly MIB=$((1024 * 1024))

# differ A B [OPTION…]: the lines that are printed.
differ ()
{
    gild diff --files "$@"
}

# read_for A B: how many files had to be read.
read_for ()
{
    gild diff --files --json "$1" "$2" | jq .files_read
}

has_nothing_left ()
{
    ! pgrep -x 'qemu-storage-da|gild-disk' && ! losetup --list --noheadings --output BACK-FILE,NAME | grep gild-diff &&
        ! grep -E ' - [^ ]+ /dev/loop' /proc/self/mountinfo
}

leaves_nothing_of ()
{
    wait_for 20 has_nothing_left && ok "$1" || not_ok "$1"
}

# changed COMMAND: old.raw becomes new.raw, by COMMAND in its file system.
changed ()
{
    cp --sparse=always "$tmp/old.raw" "$tmp/new.raw"
    mount -o loop "$tmp/new.raw" "$tmp/mnt"
    (cd "$tmp/mnt" && "$@")
    umount "$tmp/mnt"
}

make_old ()
{
    local i
    mkdir -p "$tmp/tree/etc" "$tmp/tree/many" "$tmp/tree/gone/deep" "$tmp/mnt"
    (cd "$tmp/tree" || exit
        for i in 1 2 3 4 5 6 7 8; do head -c 131072 /dev/urandom >"many/$i"; done
        for i in bytes sneaky moved poked name; do head -c 65536 /dev/urandom >"etc/$i"; done
        head -c 2097152 /dev/zero >etc/zeros
        echo text | tee etc/mode etc/owner etc/type gone/deep/file etc/size >/dev/null
        echo root >$'a\nb'
        ln -s size etc/link)
    rm -f "$tmp/old.raw"
    mke2fs -q -t ext4 -d "$tmp/tree" "$tmp/old.raw" 64M 2>/dev/null
}

# What is the same when this has changed it: many, zeros, moved.
change ()
{
    printf X | dd of=etc/bytes bs=1 seek=100 conv=notrunc status=none
    touch -r etc/sneaky "$tmp/time"
    printf Y | dd of=etc/sneaky bs=1 seek=40000 conv=notrunc status=none
    touch -r "$tmp/time" etc/sneaky
    cp etc/moved etc/moved.new
    mv etc/moved.new etc/moved
    mv etc/name etc/renamed
    chmod 600 etc/mode
    chown 1000 etc/owner
    rm etc/type
    mkdir etc/type
    echo more >>etc/size
    ln -sf ../etc/size etc/link
    rm -r gone
    echo new >$'new\n\033[31m"q" \\'
    touch $'bad\xff'
    echo toor >$'a\nb'
    mkdir -p with/in
    touch with/in/it
}

test_changes ()
{
    local block wanted
    make_old
    changed change
    # Without any trace in the file system: a byte of a block, below it.
    block=$(debugfs -R 'blocks /etc/poked' "$tmp/new.raw" 2>/dev/null | awk '{ print $1 }')
    printf Z | dd of="$tmp/new.raw" bs=1 seek=$((block * $(debugfs -R stats "$tmp/new.raw" 2>/dev/null |
        awk '/^Block size:/ { print $3 }') + 7)) conv=notrunc status=none
    run_ok 'publish one' gild publish demo/a "$tmp/old.raw" --format raw
    run_ok 'and what became of it' gild publish demo/a "$tmp/new.raw" --format raw
    wanted='M "/a\nb"
A "/bad\377"
M /etc/bytes
M /etc/link
P /etc/mode
D /etc/name
P /etc/owner
M /etc/poked
A /etc/renamed
M /etc/size
M /etc/sneaky
T /etc/type/
D /gone/
D /gone/deep/
D /gone/deep/file
A "/new\n\033[31m\"q\" \\"
A /with/
A /with/in/
A /with/in/it'
    is 'each file that differs is named' "$(differ demo/a@1 2)" "$wanted"
    is 'the other way round' "$(differ demo/a@2 demo/a@1)" "$(tr AD DA <<<"$wanted" | sed s,/type/,/type,)"
    is 'a version differs in no file from itself' "$(differ demo/a@2 2)" ''
    is 'of which none is read' "$(read_for demo/a@2 demo/a@2)" 0
    gild diff --files --json demo/a@1 2 >"$tmp/json"
    is 'the same in JSON' "$(jq -r '.files[] | .change + " " + .path' "$tmp/json" | head -n 4)" $'M /a\nb\nA "/bad\\377"\nM /etc/bytes'
    is 'with sizes' "$(jq -c '.files[] | select(.path == "/etc/size", .path == "/gone/deep/file", .path == "/etc/link") |
        [.old_size, .new_size]' "$tmp/json" | tr '\n' ' ')" '[null,null] [5,10] [5,null] '
    is 'and rights' "$(jq -c '[.files[] | select(.rights).path]' "$tmp/json")" '["/etc/mode","/etc/owner","/etc/type/"]'
    is 'and what of the disk differs' "$(jq -c '[.from, .to, (.changed > 0)]' "$tmp/json")" '["demo/a@1","demo/a@2",true]'
    # Of 17 those that differ and moved, and what lies in a chunk with them; of zeros and the large ones in many none.
    like 'what lies in chunks that are the same is not read' "$(jq .files_read "$tmp/json")" '^[4-9]$'
    leaves_nothing_of 'nothing is left of it'
}

# What was not unmounted: its journal is left alone.
test_journal ()
{
    cp --sparse=always "$tmp/old.raw" "$tmp/run.raw"
    mount -o loop "$tmp/run.raw" "$tmp/mnt"
    echo more >"$tmp/mnt/etc/more"
    sync -f "$tmp/mnt"
    cp --sparse=always "$tmp/run.raw" "$tmp/dirty.raw"
    umount "$tmp/mnt"
    is 'its journal waits' "$(debugfs -R features "$tmp/dirty.raw" 2>/dev/null | grep -o needs_recovery)" needs_recovery
    run_ok 'publish it' gild publish demo/dirty "$tmp/dirty.raw" --format raw
    run_ok 'a file system that was in use' gild diff --files demo/a@1 demo/dirty
    leaves_nothing_of 'nothing is left of that'
}

test_partitions ()
{
    local image
    for image in old new; do
        truncate -s 0 "$tmp/p.raw"
        truncate -s 72M "$tmp/p.raw"
        printf 'label: gpt\n2048,2048,L\n8192,,L\n' | sfdisk -q "$tmp/p.raw" >/dev/null
        dd if="$tmp/$image.raw" of="$tmp/p.raw" bs=1M seek=4 conv=notrunc status=none
        run_ok "publish it in a partition ($image)" gild publish demo/p "$tmp/p.raw" --format raw
    done
    run_fails 'which one has to be said' 1 'demo/p@1: .*--partition: 1 \(1.00 MiB\), 2 ' gild diff --files demo/p@1 2
    run_fails 'one that is not there' 1 'demo/p@1: .*no partition 7' gild diff --files demo/p@1 2 --partition 7
    run_fails 'one without a file system' 1 'demo/p@1: there is no file system' gild diff --files demo/p@1 2 --partition 1
    is 'the right one' "$(differ demo/p@1 2 --partition 2)" "$(differ demo/a@1 2)"
    is 'nothing but the disk tells what is the same' "$(gild diff --files --json demo/p@1 2 --partition 2 | jq .files_read)" \
        "$(read_for demo/a@1 demo/a@2)"
    is 'a partition and a disk' "$(differ demo/p@1 demo/p@1 --partition 2)" ''
}

# spoil NAME OFFSET SIZE: publish demo/NAME, old.raw with that overwritten.
spoil ()
{
    cp --sparse=always "$tmp/old.raw" "$tmp/$1.raw"
    dd if=/dev/urandom of="$tmp/$1.raw" bs=1 seek="$2" count="$3" conv=notrunc status=none
    gild publish "demo/$1" "$tmp/$1.raw" --format raw >/dev/null
}

test_damaged ()
{
    local block
    run_fails 'somebody else than root' 1 'only root.*sudo' setpriv --reuid gild --clear-groups gild diff --files demo/a@1 2
    run_fails '--partition without --files' 2 '--files' gild diff demo/a@1 2 --partition 1
    run_fails 'a version that is not there' 1 'demo/a@9' gild diff --files demo/a@1 9
    spoil nothing 1024 1024
    run_fails 'a file system without its head' 1 'demo/nothing@1: there is no file system' gild diff --files demo/a@1 demo/nothing
    spoil groups 2048 4096
    run_fails 'one that cannot be mounted' 1 'demo/groups@1: its file system, ext4, is damaged' gild diff --files demo/groups demo/a@1
    # The kernel passes over a block of a directory whose checksum is wrong.
    block=$(debugfs -R 'blocks /etc' "$tmp/old.raw" 2>/dev/null | awk '{ print $1 }')
    spoil directory $((block * $(debugfs -R stats "$tmp/old.raw" 2>/dev/null | awk '/^Block size:/ { print $3 }'))) 1024
    run_fails 'a damaged directory' 1 'demo/directory@1: its file system is damaged' gild diff --files demo/a@1 demo/directory
    truncate -s 16M "$tmp/swap.raw"
    mkswap "$tmp/swap.raw" >/dev/null 2>&1
    gild publish demo/swap "$tmp/swap.raw" --format raw >/dev/null
    run_fails 'no file system of this kernel' 1 'demo/swap@1: this kernel does not know its file system, swap' \
        gild diff --files demo/swap demo/a@1
    leaves_nothing_of 'nothing is left of these'
    stop_service nbdkit
    run_fails 'without nbdkit' 1 'nbd.sock' gild diff --files demo/a@1 2
    gild-services start >/dev/null
}

# killed_after SECONDS: fails if it was killed.
killed_after ()
{
    bash -c 'timeout --signal KILL "$1" gild diff --files demo/a@1 2 >/dev/null; exit $?' - "$1" 2>/dev/null
}

test_kills ()
{
    local delay finished=0 nbdkit
    nbdkit=$(child_of nbdkit)
    for delay in 0.02 0.05 0.1 0.15 0.2 0.3 0.4 0.6 1 1.5; do
        ! killed_after "$delay" || finished=$((finished + 1))
        leaves_nothing_of "nothing is left of one that was killed after $delay s"
    done
    diag "$finished were not killed in time"
    is 'nbdkit goes on' "$(child_of nbdkit)" "$nbdkit"
    [ "$(child_of nbdkit)" = "$nbdkit" ] || diag_file "$run/nbdkit.log"
}

# A real one.
test_debian ()
{
    local golden=$srcdir/demo/cache/debian-minimal.qcow2 seconds
    [ -e "$golden" ] || { skip "there is no $golden: make it with demo/debian-image --minimal" 'Debian'; return 0; }
    run_ok 'publish Debian' gild publish demo/debian "$golden"
    run_ok 'change it' gild edit demo/debian --mount "$tmp/mnt" -- \
        bash -ec 'cd "$0"; echo changed >>etc/motd; rm usr/share/doc/bash/copyright; chmod 700 srv' "$tmp/mnt"
    seconds=$(date +%s%N)
    run_ok 'which files' gild diff --files --json demo/debian@1 2
    diag "$((($(date +%s%N) - seconds) / 1000000)) ms, $(jq -c '[.changed, .files_read]' "$tmp/stdout") bytes and files"
    is 'are those' "$(jq -r '.files[] | .change + " " + .path' "$tmp/stdout")" $'M /etc/motd\nP /srv/\nD /usr/share/doc/bash/copyright'
    like 'of which few were read' "$(jq .files_read "$tmp/stdout")" '^[0-9]{1,2}$'
    leaves_nothing_of 'nothing is left of Debian'
}

test_changes
test_journal
test_partitions
test_damaged
test_kills
test_debian
done_testing
