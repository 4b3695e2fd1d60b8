#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job: a golden image is published, a desktop boots over it, and shutting down throws its changes away.
. "$(dirname "$0")/lib.sh"
needs jq
host_up

golden_sum=$(sha256sum <"$guest_files/golden.qcow2")
run_ok 'publish the golden image' gild publish demo/desktop "$guest_files/golden.qcow2"
desktop_attributes="overlay='512MiB'" template "target='vda' image='demo/desktop' channel='production'" >"$tmp/template.xml"
run_ok 'define a desktop' gild define "$tmp/template.xml" pc1 --virt-type qemu
virsh dumpxml --inactive pc1 >"$tmp/defined.xml"
run_ok 'print the same' gild define "$tmp/template.xml" pc1 --virt-type qemu --print
cp "$tmp/stdout" "$tmp/printed.xml"
virsh -q undefine pc1
run_ok 'virsh define of what was printed' virsh define "$tmp/printed.xml"
is 'is the same domain' "$(virsh dumpxml --inactive pc1)" "$(cat "$tmp/defined.xml")"

run_ok 'virsh start' virsh start pc1
run_ok 'the overlay is on a tmpfs of its own' mountpoint -q "$run/desktops/pc1"
is 'whose size is the cap' "$(findmnt -nbo SIZE "$run/desktops/pc1")" $((512 * 1024 * 1024))
is 'and which is a tmpfs' "$(findmnt -no FSTYPE "$run/desktops/pc1")" tmpfs
is 'the pin names the version' "$(jq -r '.disks[] | "\(.target) \(.image)@\(.version)"' "$run/desktops/pc1.json")" 'vda demo/desktop@1'
run_ok 'the guest comes up' guest_up pc1
wanted=$(awk '{ print $1 }' "$guest_files/golden.sha256")
sums='cd /mnt/vda && sha256sum numbers random hole dir/hello | cut -c -64'
is 'it reads what is in the golden image' "$(guest_run pc1 "$sums")" "$wanted"
run_ok 'it writes a file' guest_run pc1 'head -c 3000000 /dev/urandom >/mnt/vda/mine && echo more >>/mnt/vda/dir/hello && sync'

run_ok 'gild desktops' gild desktops
like 'shows name, state and version' "$(cat "$tmp/stdout")" 'pc1 .*running.*demo/desktop@1'
like 'and the cap' "$(cat "$tmp/stdout")" '512 MiB'
run_ok 'in JSON' gild desktops --json
like 'the overlay holds what was written' "$(jq '.desktops[0].overlay_used' "$tmp/stdout")" '^[3-6][0-9]{6}$'
is 'and the cap is in bytes' "$(jq '.desktops[0].overlay_cap' "$tmp/stdout")" $((512 * 1024 * 1024))
run_ok 'gild status' gild status

# What can be restarted while people work.
stop_service gildd
run_ok 'while gildd is away the guest works' guest_run pc1 'echo 3 >/proc/sys/vm/drop_caches; '"$sums"
start_services
is 'after it is back the desktop is still listed' "$(gild desktops --json | jq -c '.desktops[] | [.name, .images[]]')" '["pc1","demo/desktop@1"]'
run_fails 'gildd knows the name is taken' 1 'already|running' virsh start pc1
restart_libvirtd
is 'a restart of libvirtd leaves it running' "$(virsh domstate pc1)" running
is 'and reading' "$(guest_run pc1 "echo 3 >/proc/sys/vm/drop_caches; $sums" | sed -n 1,3p)" "$(head -n 3 <<<"$wanted")"

run_ok 'the guest shuts down' guest_down pc1
leaves_nothing 'nothing of it is left' pc1
run_ok 'virsh start again' virsh start pc1
run_ok 'the guest comes up again' guest_up pc1
is 'the file is gone' "$(guest_run pc1 'ls /mnt/vda/mine 2>/dev/null || echo gone')" gone
is 'and all is as it was' "$(guest_run pc1 "$sums")" "$wanted"
run_ok 'power off, as it were' virsh destroy pc1
guest_forget pc1
leaves_nothing 'leaves nothing either' pc1

run_ok 'the image in the store is whole' gild verify
run_ok 'it exports' gild export demo/desktop "$tmp/out.qcow2"
run_ok 'and is what was published' qemu-img compare -f qcow2 -F qcow2 "$guest_files/golden.qcow2" "$tmp/out.qcow2"
is 'the golden file itself is untouched' "$(sha256sum <"$guest_files/golden.qcow2")" "$golden_sum"

# A reboot is not a shutdown: what was written stays until the desktop is turned off.
run_ok 'start once more' virsh start pc1
guest_up pc1
guest_run pc1 'echo mine >/mnt/vda/mine; sync'
run_ok 'reset' virsh reset pc1
guest_forget pc1
run_ok 'the guest comes up after a reset' guest_up pc1
is 'and has its file' "$(guest_run pc1 'cat /mnt/vda/mine')" mine
run_ok 'off' virsh destroy pc1
done_testing
