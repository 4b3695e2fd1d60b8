#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A real Debian 12 with systemd: it boots, takes its name from the virtual machine, and forgets what it wrote.
. "$(dirname "$0")/lib.sh"
# shellcheck source=demo/guest.sh
. "$srcdir/demo/guest.sh"
needs jq
golden=$srcdir/demo/cache/debian-minimal.qcow2
[ -e "$golden" ] || skip_all "there is no $golden: make it with demo/debian-image --minimal"
host_up

run_ok 'publish Debian' gild publish demo/debian "$golden"
run_ok 'define a desktop from the installed template' gild define linux pc-debian --image demo/debian --virt-type qemu
virsh -q net-define /usr/share/libvirt/networks/default.xml >/dev/null 2>&1 || :
virsh -q net-start default >"$tmp/net.log" 2>&1 || diag_file "$tmp/net.log"
run_ok 'virsh start' virsh start pc-debian
run_ok 'its agent answers' wait_for_guest 180 pc-debian agent_answers pc-debian
is 'its name is the desktop'\''s' "$(agent pc-debian guest-get-host-name | jq -r '."host-name"')" pc-debian
is 'it is Debian' "$(agent pc-debian guest-get-osinfo | jq -r .id)" debian
run_ok 'it writes a file' guest_write pc-debian /home/user/mine mine
run_ok 'and reads it' guest_read pc-debian /home/user/mine
run_ok 'virsh shutdown' virsh shutdown pc-debian
run_ok 'it shuts down' wait_for 120 is_off pc-debian
leaves_nothing 'nothing of it is left' pc-debian
# What QEMU read since, in runs that begin anywhere: a desktop that boots, and not one that is copied.
run_ok 'what its boot has read is noted' wait_for 20 test -e "$state/images/demo/debian/1.profile"
is 'of one boot, of some hundred chunks and not of all' \
    "$(jq -c '[.boots, (.positions | length > 500 and length < 5000)]' "$state/images/demo/debian/1.profile")" '[1,true]'
run_ok 'virsh start again' virsh start pc-debian
run_ok 'its agent answers again' wait_for_guest 180 pc-debian agent_answers pc-debian
run_fails 'the file is gone' 1 'No such file' guest_read pc-debian /home/user/mine
run_ok 'off' virsh destroy pc-debian
second_boot_is_noted ()
{
    [ "$(jq .boots "$state/images/demo/debian/1.profile")" = 2 ]
}
run_ok 'and so is what it has read the second time' wait_for 20 second_boot_is_noted
run_ok 'the image is whole' gild verify
done_testing
