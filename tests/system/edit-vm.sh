#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild edit without COMMAND: a VM with a screen, or a shell in the file system; who is asked, and what is left.
. "$(dirname "$0")/lib.sh"
needs jq script setsid
host_needs
[ -c /dev/fuse ] && grep -qw fuse /proc/filesystems || skip_all 'this kernel has no FUSE'
[ -b /dev/loop0 ] && [ -c /dev/loop-control ] || skip_all 'there are no loop devices here'
host_up

readonly MNT=$tmp/mnt
mkdir "$MNT" "$tmp/bin"
# A template whose screen everybody may look at.
template "target='vda'" | sed 's,<serial ,<graphics type="vnc" port="5999" listen="0.0.0.0"/>&,' >"$tmp/small.xml"

production ()
{
    gild images demo/erp --json | jq '.images[] | select(.channels | index("production")).version'
}

vms ()
{
    virsh list --all --name | grep gild-edit || :
}

no_vm ()
{
    [ -z "$(vms)" ]
}

# nothing_done DESCRIPTION: no version, no VM, copy, process, mount or loop device.
nothing_done ()
{
    wait_for 20 no_vm || :
    is "$1: production stays" "$(production)" "$before"
    leaves_nothing "$1"
}

leaves_nothing ()
{
    is "$1: nothing is left" "$(vms) $(ls "$state/edit") $(pgrep -x qemu-storage-da || :) $(grep -c "$MNT" /proc/self/mountinfo || :) $(losetup -l -n | grep -c "$state\|gild" || :)" \
        '   0 0'
}

# at_terminal COMMAND…: run it at a terminal of its own, where $screen is to be seen.
at_terminal ()
{
    before=$(production)
    screen=$tmp/screen
    rm -f "$screen" "$tmp/keys"
    mkfifo "$tmp/keys"
    script --quiet --flush --return --command "$(printf '%q ' "$@")" "$screen" <"$tmp/keys" >/dev/null 2>&1 &
    edit_pid=$!
    exec {keys}>"$tmp/keys"
}

# in_background COMMAND…: run it where there is no terminal; $screen is what it says.
in_background ()
{
    before=$(production)
    screen=$tmp/screen
    setsid --wait "$@" >"$screen" 2>&1 </dev/null &
    edit_pid=$!
}

says ()
{
    grep -Eq -- "$1" "$screen"
}

sees ()
{
    wait_for 60 says "$1" || { diag_file "$screen"; return 1; }
}

# presses KEYS: as printf has them.
presses ()
{
    # shellcheck disable=SC2059
    printf "$1" >&"$keys"
}

# ends STATUS DESCRIPTION: the edit, with that status.
ends ()
{
    status=0
    wait_for 60 has_ended "$edit_pid" || kill -KILL "$edit_pid"
    wait "$edit_pid" || status=$?
    [ -z "${keys:-}" ] || exec {keys}>&-
    keys=''
    is "$2" "$status" "$1"
    [ "$status" = "$1" ] || diag_file "$screen"
}

# vm_is_there: its name is $vm; vm_up: its guest answers, too.
vm_is_there ()
{
    sees 'runs in the VM gild-edit-'
    vm=$(grep -o 'gild-edit-[A-Za-z0-9]*' "$screen" | head -n 1)
}

vm_up ()
{
    vm_is_there
    guest_up "$vm"
}

vm_down ()
{
    guest_tell "$vm" 0 'sync; poweroff -f'
    guest_forget "$vm"
}

vm_is ()
{
    [ "$(virsh domstate "$vm")" = "$1" ]
}

# edit OPTION…: in a VM, by way of $how.
edit ()
{
    "$how" gild edit demo/erp --virt-type qemu --template "$tmp/small.xml" "$@"
}

# edit_in SHELL OPTION…: in the file system, at a terminal.
edit_in ()
{
    at_terminal env SHELL="$1" gild edit demo/erp --mount "$MNT" "${@:2}"
}

test_refusals ()
{
    before=$(production)
    run_fails 'no terminal and no --yes' 1 'there is no terminal .*--yes' setsid --wait gild edit demo/erp
    run_fails 'the same of a shell' 1 'there is no terminal .*--yes' setsid --wait gild edit demo/erp --mount "$MNT"
    run_fails 'a user who is not root' 1 'root' setpriv --reuid nobody --clear-groups gild edit demo/erp --yes
    run_fails 'usage: a VM and COMMAND' 2 'neither COMMAND nor --mount' gild edit demo/erp --viewer -- true
    run_fails 'usage: a VM and --mount' 2 'neither COMMAND nor --mount' gild edit demo/erp --memory 1GiB --mount "$MNT"
    run_fails 'usage: no such type' 2 'xen' gild edit demo/erp --virt-type xen
    run_fails 'usage: too little RAM' 2 '16MiB' gild edit demo/erp --memory 1
    run_fails 'a template that is not here' 1 'none.xml' gild edit demo/erp --yes --template "$tmp/none.xml"
    sed 's/q35/nonsense/' "$tmp/small.xml" >"$tmp/bad.xml"
    run_fails 'a VM that libvirt refuses' 1 'the VM does not start' gild edit demo/erp --yes --virt-type qemu --template "$tmp/bad.xml"
    nothing_done 'refused'
}

# What is at the address that was printed: how many ways to let somebody in it has, and which.
vnc_security ()
{
    local port vnc
    port=$(sed -n 's/^screen: vnc:\/\/127\.0\.0\.1:\([0-9]*\) password .*/\1/p' "$screen" | tr -d '\r')
    exec {vnc}<>"/dev/tcp/127.0.0.1/$port"
    head -c 12 <&"$vnc"
    printf 'RFB 003.008\n' >&"$vnc"
    head -c 2 <&"$vnc" | od -An -tu1 | tr -s ' '
    exec {vnc}>&-
}

test_publishes ()
{
    printf '#!/bin/sh\necho "$*" >%q\nexec sleep 1009\n' "$tmp/viewed" >"$tmp/bin/virt-viewer"
    chmod 755 "$tmp/bin/virt-viewer"
    how=in_background
    PATH=$tmp/bin:$PATH edit --yes --json --viewer --note 'by hand'
    vm_up
    is 'the screen asks for a password' "$(vnc_security)" 'RFB 003.008
 1 2'
    is 'who listens does so on this host' "$(ss -Hltn | awk '{ print $4 }' | grep -v '^127\.0\.0\.1:\|:10890$' || :)" ''
    wait_for 20 test -s "$tmp/viewed"
    is 'the viewer shows it' "$(cat "$tmp/viewed")" "--attach --connect qemu:///system -- $vm"
    guest_run "$vm" 'echo by hand >/mnt/vda/dir/new; head -c 3000000 /dev/urandom >/mnt/vda/much; sync'
    wanted=$(guest_run "$vm" 'sha256sum </mnt/vda/much')
    vm_down
    ends 0 'an edit in a VM'
    is 'is the next version' "$(sed -n '/^{/,$p' "$screen" | jq -c '[.version, .parent]')" '[2,1]'
    leaves_nothing 'published'
    is 'the viewer has ended' "$(pgrep -fx 'sleep 1009' || :)" ''
    template "target='vda' image='demo/erp'" >"$tmp/pc1.xml"
    define pc1 "$tmp/pc1.xml"
    virsh -q start pc1
    guest_up pc1
    is 'what was written is in it' "$(guest_run pc1 'cat /mnt/vda/dir/new; sha256sum </mnt/vda/much')" "by hand
$wanted"
    guest_forget pc1
    virsh -q destroy pc1
}

test_asks ()
{
    edit_in /bin/true
    sees 'Publish this as the next version of demo/erp\? \[y/N\]'
    presses 'n\n'
    ends 1 'no'
    like 'it says so' "$(cat "$screen")" 'nothing was published'
    nothing_done 'no'
    edit_in /bin/true
    sees 'Publish this'
    presses '\003'
    ends 1 'Ctrl-C at the question is no'
    nothing_done 'Ctrl-C at the question'
    edit_in /bin/true
    sees 'Publish this'
    presses '\004'
    ends 1 'the end of what is typed is no'
    nothing_done 'the end of what is typed'
    edit_in /bin/true
    sees 'Publish this'
    presses 'y\n'
    ends 0 'yes'
    is 'is the next version' "$(production)" "$((before + 1))"
    leaves_nothing 'yes'
}

test_interrupted ()
{
    how=at_terminal
    edit
    vm_is_there
    presses '\003'
    ends 1 'Ctrl-C while the VM runs'
    like 'it says so' "$(cat "$screen")" 'interrupted; nothing was published'
    nothing_done 'Ctrl-C'
    how=in_background
    edit --yes --timeout 1s
    ends 1 'the time is over'
    like 'it says so' "$(cat "$screen")" 'the VM took longer than --timeout, 1 s'
    nothing_done 'the time is over'
}

kill_qemu ()
{
    pkill "-$1" -f "guest=$vm,"
}

# stopped WHY COMMAND…: by which the VM stops in a way that is none of its guest's.
stopped ()
{
    vm_is_there
    "${@:2}" >/dev/null
    ends 1 "$1"
    like "$1: it says so" "$(cat "$screen")" "the guest was not shut down: .*$1.*nothing was published"
    nothing_done "$1"
}

test_stopped ()
{
    how=in_background
    edit --yes
    stopped 'somebody has destroyed its VM' virsh_destroy
    edit --yes
    stopped 'its QEMU has ended' kill_qemu TERM
    edit --yes
    stopped 'its QEMU has ended, or' kill_qemu KILL
}

virsh_destroy ()
{
    virsh -q destroy "$vm"
}

test_killed ()
{
    how=in_background
    edit --yes
    vm_is_there
    kill -KILL "$edit_pid"
    wait "$edit_pid" 2>/dev/null || :
    run_ok 'gild is killed: its VM ends' wait_for 20 no_vm
    edit --yes
    vm_is_there
    is 'the next edit has taken the copy' "$(ls "$state/edit")" "${vm#gild-}"
    kill_libvirtd
    ends 1 'libvirtd is killed'
    like 'it says so' "$(cat "$screen")" 'libvirt has: .*nothing was published'
    edit --yes --timeout 1s
    ends 1 'the next edit'
    nothing_done 'killed'
}

fill ()
{
    head -c 60M /dev/urandom >"$tmp/room/large"
}

# The disk with the copy fills, nbdkit dies, somebody else publishes, and another VM is started.
test_trouble ()
{
    local sum
    mkdir "$tmp/room"
    mount -t tmpfs -o size=64m,mode=711 room "$tmp/room"
    mount --bind "$tmp/room" "$state/edit"
    how=at_terminal
    edit
    vm_up
    fill
    run_ok 'the last tenth of the disk is left: it is paused' wait_for 20 vm_is paused
    like 'it says why' "$(cat "$screen")" 'the VM is paused: .* last tenth left'
    rm "$tmp/room/large"
    run_ok 'it goes on when there is room' wait_for 20 vm_is running
    stop_service nbdkit
    guest_start "$vm" 'sha256sum </mnt/vda/random; echo @end'
    run_ok 'the image cannot be read: it is paused' wait_for 60 vm_is paused
    wait_for 20 says 'the VM is paused: nbdkit'
    like 'it says why' "$(cat "$screen")" 'the VM is paused: nbdkit does not answer'
    start_services
    sum=$(checksum_said "$vm")
    is 'it goes on, and has read what is there' "$sum" "$(awk '$2 == "random" { print $1 }' "$guest_files/golden.sha256")"
    run_ok 'another edit meanwhile' gild edit demo/erp -- bash -c 'qemu-io -f qcow2 -c "write -P 7 200M 64k" "$GILD_DISK"'
    run_fails 'and another VM' 1 'took longer than --timeout' \
        gild edit demo/erp --yes --timeout 1s --virt-type qemu --template "$tmp/small.xml"
    run_ok 'leave it alone' vm_is running
    guest_run "$vm" 'echo late >/mnt/vda/dir/late'
    vm_down
    sees 'Publish this'
    presses 'y\n'
    ends 1 'what was changed meanwhile is not overwritten'
    like 'it says so' "$(cat "$screen")" 'production of demo/erp names version [0-9]+ by now.*--force'
    before=$((before + 1))
    nothing_done 'trouble'
    umount "$state/edit" "$tmp/room"
}

test_shell ()
{
    edit_in /bin/bash
    sees 'in this shell'
    # shellcheck disable=SC2016
    presses 'echo shell >dir/shell; echo "at=$PWD of=$GILD_IMAGE"; (exit 7)\n'
    sees "at=$MNT of=demo/erp"
    presses 'exit\n'
    sees 'Publish this'
    presses 'yes\n'
    ends 0 'a shell in the file system'
    is 'is the next version' "$(production)" "$((before + 1))"
    leaves_nothing 'a shell'
    run_ok 'which has what it wrote' gild edit demo/erp --mount "$MNT" -- grep -x shell "$MNT/dir/shell"
    edit_in /bin/bash --yes
    sees 'in this shell'
    # shellcheck disable=SC2016
    presses 'kill -KILL $$\n'
    ends 137 'a shell that is killed'
    nothing_done 'a shell that is killed'
    run_fails 'a script that fails' 3 'ended with status 3; nothing' \
        bash -c 'echo "touch dir/never; exit 3" | SHELL=/bin/sh gild edit demo/erp --mount "$1" --yes' - "$MNT"
    nothing_done 'a script that fails'
    run_ok 'a script' bash -c 'echo "touch dir/script" | SHELL= gild edit demo/erp --mount "$1" --yes' - "$MNT"
    is 'is the next version' "$(production)" "$((before + 1))"
}

run_ok 'publish' gild publish demo/erp "$guest_files/golden.qcow2"
test_refusals
test_publishes
test_asks
test_interrupted
test_stopped
test_killed
test_trouble
test_shell
run_ok 'the images are whole' gild verify
done_testing
