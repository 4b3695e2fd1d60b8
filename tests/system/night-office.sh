#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A night with a real upgrade: edited, checked, promoted, and booted by another PC; and then taken back.
. "$(dirname "$0")/../office/lib.sh"
# shellcheck source=demo/guest.sh
. "$srcdir/demo/guest.sh"
# shellcheck source=tests/system/debian-updates.sh
. "$(dirname "$0")/debian-updates.sh"
needs python3 dpkg-deb
golden=$srcdir/demo/cache/debian-minimal.qcow2
[ -e "$golden" ] || skip_all "there is no $golden: make it with demo/debian-image --minimal"
[ -c /dev/fuse ] && grep -qw fuse /proc/filesystems || skip_all 'this kernel has no FUSE'
[ -b /dev/loop0 ] && [ -c /dev/loop-control ] || skip_all 'there are no loop devices here'
office_up

# desk is the publisher, which checks with a libvirtd of its own; pc1 has the desktop.
printf '[nightly]\nhosts-wait=180\n[image demo/debian]\ncheck=--virt-type qemu --memory 768MiB --timeout 10m\n' >/etc/gild/gild.conf
start_libvirt
add_host pc1 $'[fetch]\nprefetch=always'
start_libvirt_on pc1

# From here on guests are pc1's.
virsh ()
{
    on pc1 virsh "$@"
}

is_off_there ()
{
    [ "$(virsh domstate pc-debian)" = 'shut off' ]
}

# boots DESCRIPTION: the desktop starts, and its agent answers.
boots ()
{
    run_ok "$1" virsh start pc-debian
    run_ok 'its agent answers' wait_for_guest 600 pc-debian agent_answers pc-debian
}

shuts_down ()
{
    run_ok 'it shuts down' virsh destroy pc-debian
    wait_for 20 is_off_there
}

has_booted ()
{
    on pc1 jq -r '.disks[0] | "\(.image)@\(.version)"' "$run/desktops/pc-debian.json"
}

run_ok 'a site' gild init office
start_host desk
run_ok 'publish Debian' gild publish demo/debian "$golden"
updates_up
run_ok 'it gets its packages from here' gild edit demo/debian -- bash -ec "image_takes_updates_here $tmp/package"
run_ok 'another PC joins' join desk pc1
run_ok 'it has the record' wait_for 60 has_version pc1 demo/debian@2
run_ok 'a desktop there' on pc1 gild define linux pc-debian --image demo/debian --virt-type qemu
boots "it starts with yesterday's"
run_fails 'without the upgrade' 1 'No such file' guest_read pc-debian "$UPDATED_FILE"
run_ok 'that PC has it whole' wait_for 180 is_complete pc1 demo/debian@2

mkdir -p /etc/gild/nightly.d/demo
ln -s /usr/share/gild/nightly/debian-upgrade /etc/gild/nightly.d/demo/debian
publish_update
status=0
timeout --foreground 1200 gild nightly >"$tmp/stdout" 2>"$tmp/stderr" </dev/null || status=$?
is 'a night with an upgrade' "$status" 0
diag_file "$tmp/stdout" "$tmp/stderr"
like 'makes a version that is production' "$(cat "$tmp/stdout")" '^demo/debian: @3 is production now; before it was @2$'
like 'that came up' "$(cat "$tmp/stdout")" '^    checked: up after [0-9]+ s$'
like 'and that the other PC has whole' "$(cat "$tmp/stdout")" '^    offline-ready: on 1 of 1 hosts$'
is 'the desktop that runs goes on with its own' "$(has_booted)" demo/debian@2
shuts_down
boots "its next start is today's"
is 'by its pin' "$(has_booted)" demo/debian@3
run_ok 'and by what is in it' guest_read pc-debian "$UPDATED_FILE"
shuts_down
run_ok 'rollback' gild rollback demo/debian
rolled_back ()
{
    [ "$(on pc1 gild images demo/debian --json | jq '.images[] | select(.channels | index("production")).version')" = 2 ]
}
run_ok 'the other PC hears of it' wait_for 60 rolled_back
boots "and starts with yesterday's again"
is 'by its pin' "$(has_booted)" demo/debian@2
run_fails 'and by what is not in it' 1 'No such file' guest_read pc-debian "$UPDATED_FILE"
shuts_down
run_ok 'the image is whole' gild verify
done_testing
