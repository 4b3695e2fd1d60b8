#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Without a virtual machine: an image is a drive of the PC itself, what is written goes to RAM and is thrown away.
. "$(dirname "$0")/lib.sh"
needs jq sfdisk mke2fs pgrep
host_needs
[ -c /dev/fuse ] && grep -qw fuse /proc/filesystems || skip_all 'this kernel has no FUSE'
[ -b /dev/loop0 ] && [ -c /dev/loop-control ] || skip_all 'there are no loop devices here'
host_up

readonly A=$tmp/a B="$tmp/b c"
mkdir "$A" "$B"
at_exit 'umount -l "$A" "$B" 2>/dev/null'

# works_in PID DIRECTORY
works_in ()
{
    [ "$(readlink "/proc/$1/cwd")" = "$2" ]
}

# server: qemu-storage-daemon's processes.
server ()
{
    pgrep -x qemu-storage-da
}

has_no_server ()
{
    ! server
}

# sums DIRECTORY: as golden.sha256 has them.
sums ()
{
    (cd "$1" && sha256sum numbers random hole dir/hello)
}

# drop_caches: what the kernel knows of the drives' files.
drop_caches ()
{
    sync
    echo 3 >/proc/sys/vm/drop_caches
}

row ()
{
    gild desktops --json | jq -c --arg directory "$1" '.desktops[] | select(.directory == $directory) | [.state, .images[], .overlay_cap]'
}

used ()
{
    sync -f "$1"
    gild desktops --json | jq --arg directory "$1" '.desktops[] | select(.directory == $directory) | .overlay_used'
}

# leaves_nothing_of DESCRIPTION
leaves_nothing_of ()
{
    is "$1" "$(find "$run/desktops" -mindepth 1 ! -name .lock) $(server) $(grep -cE "^.* - [^ ]+ /dev/loop" /proc/self/mountinfo)" '  0'
}

# age: all that there is of attachments is older than what the sweep leaves alone.
age ()
{
    find "$run/desktops" -mindepth 1 ! -name .lock -exec touch -h -d '2 minutes ago' {} +
}

test_two ()
{
    local wanted
    wanted=$(cat "$guest_files/golden.sha256")
    run_ok 'attach' gild attach demo/erp "$A"
    like 'says what is where' "$(cat "$tmp/stdout")" "^demo/erp@1 is at $A; .*gild detach $A"
    is 'what is read is golden' "$(sums "$A")" "$wanted"
    run_ok 'the same image at another place, by a relative path' env -C "$tmp" gild attach demo/erp 'b c' --overlay 64MiB --json
    is 'what is where' "$(jq -c '[.image, .version, .directory, .overlay]' "$tmp/stdout")" "[\"demo/erp\",1,\"$B\",67108864]"
    echo of-a >>"$A/dir/hello"
    rm "$B/random"
    head -c 5M /dev/urandom >"$B/new"
    drop_caches
    is 'each has its own changes' "$(cat "$A/dir/hello")$(cat "$B/dir/hello") $(ls "$A" | tr '\n' ' ')$(ls "$B" | tr '\n' ' ')" \
        $'gilded\nof-agilded dir hole lost+found numbers random dir hole lost+found new numbers '
    is 'gild desktops has them' "$(row "$A" | jq -c '.[0:2]') $(row "$B")" \
        '["attached","demo/erp@1"] ["attached","demo/erp@1",67108864]'
    like 'by their places' "$(gild desktops)" "^$A +attached .* demo/erp@1$"
    like 'with what they take' "$(used "$B")" '^[5-7][0-9]{6}$'
    is 'no file system of FUSE is to be seen' "$(grep -c ' - fuse ' /proc/self/mountinfo)" 0
    is 'the servers are not root' "$(server | xargs -n 1 ps -o user= -p | sort -u)" gild
    is 'and have no capability' "$(for pid in $(server); do grep -h CapEff "/proc/$pid/status"; done | sort -u)" $'CapEff:\t0000000000000000'
    like 'no device and no set-user-ID counts there' "$(grep " $A " /proc/self/mountinfo)" ' rw,nosuid,nodev'
    run_fails 'not twice at one place' 1 "attached at $A already: .gild detach" gild attach demo/erp "$A"
    (cd "$A" && exec sleep 100) &
    local user=$!
    wait_for 10 works_in "$user" "$A"
    run_fails 'no detach while it is used' 1 "$A is in use.*fuser" gild detach "$A"
    kill "$user"
    wait "$user" || :
    run_ok 'detach' gild detach "$A"
    like 'the other is still there' "$(row "$B")" attached
    run_ok 'detach the other, from below it' env -C "$tmp" gild detach 'b c'
    leaves_nothing_of 'nothing is left'
    run_fails 'there is nothing to detach' 1 "no image is attached at $A" gild detach "$A"
    run_ok 'attach again' gild attach demo/erp "$A"
    is 'it is golden again' "$(sums "$A") $(ls "$A" | tr '\n' ' ')" "$wanted dir hole lost+found numbers random "
    run_ok 'detach again' gild detach "$A"
    run_ok 'the image is whole' gild verify
}

test_refusals ()
{
    run_fails 'an image that is not there' 1 'demo/none' gild attach demo/none "$A"
    run_fails 'a version that is not there' 1 'demo/erp@7' gild attach demo/erp@7 "$A"
    run_fails 'a directory that is not there' 1 "$tmp/none" gild attach demo/erp "$tmp/none"
    run_fails 'a directory that is a file' 1 'gild.txt' gild attach demo/erp "$tmp/gild.txt"
    run_fails 'no image' 2 'is not an image' gild attach ../x "$A"
    run_fails 'a bad size' 2 'overlay' gild attach demo/erp "$A" --overlay 1KiB
    run_fails 'a bad partition' 2 'partition' gild attach demo/erp "$A" --partition 1000
    run_fails 'a partition of a disk without' 1 'no partitions' gild attach demo/erp "$A" --partition 1
    run_fails 'somebody else than root' 1 'only root' setpriv --reuid gild --clear-groups gild attach demo/erp "$A"
    run_fails 'nor may they detach' 1 'only root' setpriv --reuid gild --clear-groups gild detach "$A"
    leaves_nothing_of 'nothing is left of that'
    run_fails 'a kernel without FUSE' 1 'no FUSE .see .modprobe fuse' with_devices null
    run_fails 'a kernel without loop devices' 1 'no free loop device .see .modprobe loop' with_devices null fuse
    leaves_nothing_of 'nothing is left of these'
}

# with_devices DEVICE…: attach where there are no others.
with_devices ()
{
    mkdir -p "$tmp/dev"
    # shellcheck disable=SC2016
    unshare --mount bash -euc 'mount -t tmpfs gild-test "$1"; (cd /dev && cp -a "${@:3}" "$1"); mount --move "$1" /dev
        exec gild attach demo/erp "$2"' - "$tmp/dev" "$A" "$@"
}

# A disk with partitions, of which the second has a file system.
make_partitioned ()
{
    rm -f "$tmp/p.raw" "$tmp/p.fs"
    truncate -s 40M "$tmp/p.raw"
    printf 'label: %s\n2048,2048,L\n8192,,L\n' "$1" | sfdisk -q --wipe always "$tmp/p.raw" >/dev/null
    mkdir -p "$tmp/p"
    echo "$1" >"$tmp/p/label"
    mke2fs -q -t ext4 -d "$tmp/p" "$tmp/p.fs" 32M >/dev/null
    dd if="$tmp/p.fs" of="$tmp/p.raw" bs=512 seek=8192 conv=notrunc status=none
}

test_partitions ()
{
    local label
    for label in dos gpt; do
        make_partitioned "$label"
        run_ok "publish a disk with partitions ($label)" gild publish "demo/$label" "$tmp/p.raw" --format raw
        run_fails 'which one has to be said' 1 '1 \(1.00 MiB\), 2 \(3[0-9.]* MiB\)' gild attach "demo/$label" "$A"
        run_fails 'one that is not there' 1 'no partition 3' gild attach "demo/$label" "$A" --partition 3
        run_fails 'one without a file system' 1 'fs type' gild attach "demo/$label" "$A" --partition 1
        run_ok 'the right one' gild attach "demo/$label" "$A" --partition 2
        is 'has its file' "$(cat "$A/label")" "$label"
        run_ok 'takes a file' cp "$tmp/p/label" "$A/copy"
        run_ok 'goes' gild detach "$A"
    done
    leaves_nothing_of 'nothing is left of partitions'
}

test_read_only ()
{
    run_ok 'attach read-only' gild attach demo/erp "$A" --read-only
    run_fails 'it takes no file' 1 'Read-only' touch "$A/x"
    is 'and is golden' "$(sums "$A")" "$(cat "$guest_files/golden.sha256")"
    run_ok 'detach it' gild detach "$A"
}

test_cap ()
{
    local full
    run_ok 'attach with a small overlay' gild attach demo/erp "$A" --overlay 16MiB
    head -c 8M /dev/urandom >"$A/eight"
    like 'what is written takes RAM' "$(used "$A")" '^([89]|1[0-9])[0-9]{6}$'
    rm "$A/eight"
    wait_for 10 eval '[ "$(used "$A")" -lt 4000000 ]' || :
    like 'what is removed gives it back' "$(used "$A")" '^[0-3]?[0-9]{6}$'
    run_fails 'more than the cap is refused' 1 '.' dd if=/dev/urandom of="$A/much" bs=1M count=60 conv=fsync
    full=$(used "$A" 2>/dev/null)
    diag "overlay: $full of $((16 << 20))"
    like 'gild desktops says so' "$(gild desktops 2>/dev/null)" "^$A: its overlay is nearly full"
    [ "$full" -le $((16 << 20)) ] && ok 'and the cap holds' || not_ok 'and the cap holds'
    run_ok 'detach a full one' gild detach "$A"
    leaves_nothing_of "nothing is left of a full one"
}

versions ()
{
    gild images demo/erp --json | jq -c '[.. | .version? | numbers] | unique'
}

gc_leaves_newest ()
{
    gild gc --keep 1 && [ "$(versions)" = '[3]' ]
}

test_gc ()
{
    run_ok 'attach what will be old' gild attach demo/erp "$A"
    for _ in 1 2; do
        run_ok 'publish' gild publish demo/erp "$guest_files/golden.qcow2"
    done
    run_ok 'gc' gild gc --keep 1
    unlike 'leaves what is attached' "$(cat "$tmp/stdout")" 'demo/erp@1'
    drop_caches
    is 'which is read' "$(sums "$A")" "$(cat "$guest_files/golden.sha256")"
    run_ok 'the new version, at another place' gild attach demo/erp "$B"
    like 'is the new one' "$(row "$B")" 'demo/erp@3'
    run_ok 'detach the old' gild detach "$A"
    # The last reader's connection may end a moment after detach.
    wait_for 10 gc_leaves_newest || :
    is 'gc takes it' "$(versions)" '[3]'
    run_ok 'detach the new' gild detach "$B"
    leaves_nothing_of "nothing is left of old and new"
}

# nbdkit and gildd are killed while the drive is used; and the drive's own server.
test_kills ()
{
    run_ok 'attach for the kills' gild attach demo/erp "$A"
    kill_service nbdkit
    kill_service gildd
    drop_caches
    is 'reads wait for nbdkit' "$(sums "$A")" "$(cat "$guest_files/golden.sha256")"
    wait_for 10 gild status
    like 'gildd still lists it' "$(row "$A")" 'attached'
    pkill -KILL -x qemu-storage-da
    wait_for 10 has_no_server
    like 'its loss is seen' "$(gild desktops)" "^$A: its disk is lost.*gild detach $A"
    drop_caches
    run_fails 'without its server the drive fails' 1 'nput/output error' cat "$A/random"
    run_ok 'and can be detached' gild detach "$A"
    leaves_nothing_of 'nothing is left of it'

    run_ok 'attach once more' gild attach demo/erp "$A"
    pkill -KILL -x qemu-storage-da
    wait_for 10 has_no_server
    age
    run_ok 'the sweep' /etc/libvirt/hooks/qemu.d/gild --sweep
    leaves_nothing_of 'takes what has lost its server'

    run_ok 'attach, and unmount by hand' gild attach demo/erp "$A"
    umount "$A"
    run_ok 'the server ends by itself' wait_for 10 has_no_server
    like 'gild desktops says so' "$(row "$A")" lost
    run_ok 'the place can be used again' gild attach demo/erp "$A"
    /etc/libvirt/hooks/qemu.d/gild --sweep
    age
    /etc/libvirt/hooks/qemu.d/gild --sweep
    is 'what is in use is not swept' "$(sums "$A")" "$(cat "$guest_files/golden.sha256")"
    run_ok 'detach that' gild detach "$A"
}

# has_come_to_rest: whether or not it was killed before it was done.
has_come_to_rest ()
{
    has_no_server || findmnt "$A"
}

# kill_after SECONDS: attach, and kill it then; fails if it was killed.
kill_after ()
{
    bash -c 'timeout --signal KILL "$1" gild attach demo/erp "$2" >/dev/null; exit $?' - "$1" "$A" 2>/dev/null
}

# gild attach is killed on its way: what is left goes at the next attach, or with the sweep.
test_killed_attach ()
{
    local delay finished=0
    for delay in 0.01 0.02 0.03 0.04 0.05 0.06 0.07 0.08 0.09 0.1 0.12 0.15 0.2 0.3 0.4; do
        ! kill_after "$delay" || finished=$((finished + 1))
        gild detach "$A" >/dev/null 2>&1 || :
        gild attach demo/erp "$A" >"$tmp/after" 2>&1 || { not_ok "attach after a kill at $delay s"; diag_file "$tmp/after"; continue; }
        [ "$(sums "$A")" = "$(cat "$guest_files/golden.sha256")" ] && ok "attach after a kill at $delay s" || not_ok "attach after a kill at $delay s"
        gild detach "$A" >"$tmp/after" 2>&1 || { not_ok 'and detach'; diag_file "$tmp/after"; }
    done
    diag "$finished were not killed in time"
    for delay in 0.02 0.05 0.1 0.2 0.3; do
        kill_after "$delay" || :
        wait_for 10 has_come_to_rest
        age
        ! findmnt "$A" >/dev/null || gild detach "$A" >/dev/null
        /etc/libvirt/hooks/qemu.d/gild --sweep
        leaves_nothing_of "the sweep takes what a kill at $delay s left"
    done
}

run_ok 'publish' gild publish demo/erp "$guest_files/golden.qcow2"
echo text >"$tmp/gild.txt"
test_two
test_refusals
test_partitions
test_read_only
test_cap
test_gc
test_kills
test_killed_attach
done_testing
