#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild check: a version comes up, or not, or that cannot be told; and nothing of the VM is left, whoever is killed.
. "$(dirname "$0")/lib.sh"
needs jq debugfs pngtopnm
golden=$srcdir/demo/cache/debian-minimal.qcow2
[ -e "$golden" ] || skip_all "there is no $golden: make it with demo/debian-image --minimal"
host_up

readonly SMALL='demo/small --virt-type qemu --template'
template "target='vda'" >"$tmp/small.xml"

# boots FILE COMMAND-LINE: a template whose guest's kernel has that command line.
boots ()
{
    sed "s,<cmdline>.*<,<cmdline>console=ttyS0 quiet $2<," "$tmp/small.xml" >"$1"
}

# vms: what there is of VMs, overlays and pins of checks.
vms ()
{
    virsh list --all --name | grep gild-check || :
    find "$run/desktops" -name 'gild-check*'
}

no_vm ()
{
    [ -z "$(vms)" ]
}

leaves_no_vm ()
{
    wait_for 30 no_vm || :
    is "$1" "$(vms)" ''
}

# kept IMAGE@V MEMBER
kept ()
{
    jq -r ".$2" "$state/checks/${1/@//}/result.json"
}

has_vm ()
{
    virsh list --name | grep gild-check
}

# not_up DESCRIPTION REGEX COMMAND…: it exits 3, and stdout says why.
not_up ()
{
    run "${@:3}"
    is "$1" "$status" 3
    like 'says why' "$(cat "$tmp/stdout")" "$2"
}

# Its time is bounded by --timeout alone.
check_debian ()
{
    gild check demo/debian --virt-type qemu --timeout 10m "$@"
}

# check_in_background OPTION…: $check_pid is a check that is not up before long.
check_in_background ()
{
    # shellcheck disable=SC2086
    gild check $SMALL "$tmp/small.xml" --timeout 5m "$@" >"$tmp/background.out" 2>&1 &
    check_pid=$!
    wait_for 60 has_vm
}

gild publish demo/small "$guest_files/golden.qcow2" >"$tmp/publish.log" 2>&1
gild publish demo/small "$guest_files/golden.qcow2" >"$tmp/publish.log" 2>&1

# What cannot be checked is not said to be up, nor not up, and nothing is noted of it.
run_fails 'an image that is not here' 1 'could not check demo/none: .*demo/none' gild check demo/none --virt-type qemu
run_fails 'a version that is not here' 1 'could not check demo/small@9: .*9' gild check demo/small@9 --virt-type qemu
run_fails 'a channel that is not here' 1 'could not check .*test' gild check demo/small --channel test
run_fails 'a template that is not here' 1 'could not check .*template' gild check $SMALL "$tmp/none.xml"
run_fails 'more RAM than there is' 1 'could not check .*(RAM|memory)' gild check $SMALL "$tmp/small.xml" --memory 900GiB
run_fails 'a script that is not here' 1 'could not check .*none' gild check $SMALL "$tmp/small.xml" --script "$tmp/none"
run_fails 'a user who is not root' 1 'could not check .*root' setpriv --reuid nobody --clear-groups gild check demo/small
sed 's/q35/nonsense/' "$tmp/small.xml" >"$tmp/bad.xml"
run_fails 'a VM that libvirt refuses' 1 'could not check .*the VM does not start' gild check $SMALL "$tmp/bad.xml" --json
is 'in JSON' "$(jq -c '[.image, .version, .result, .console, .screenshot]' "$tmp/stdout")" '["demo/small",2,"could-not-check",null,null]'
stop_service nbdkit
run_fails 'a VM that the hook refuses' 1 'could not check .*nbdkit' gild check $SMALL "$tmp/small.xml"
start_services
stop "$libvirtd_pid"
run_fails 'no libvirtd' 1 'could not check .*libvirt' gild check $SMALL "$tmp/small.xml"
start_libvirtd
is 'nothing was noted' "$(find "$state/checks" -name result.json)" ''
usage_fails ()
{
    run_fails "usage: $*" 2 . gild check demo/small "$@"
}
usage_fails --ready a --agent
usage_fails --ready a --script b
usage_fails --ready ''
usage_fails --ready $'a\nb'
usage_fails --timeout 5
usage_fails --timeout 0s
usage_fails --virt-type xen
usage_fails --memory 1
run_fails 'usage: a version and a channel' 2 . gild check demo/small@1 --channel test
leaves_no_vm 'nothing of a VM is left'

# Up, by a text.
run_ok 'up by a text on the console' gild check $SMALL "$tmp/small.xml" --ready @ready
like 'it says so' "$(cat "$tmp/stdout")" "^demo/small@2 is up after [0-9.]+ s: '@ready' is on its serial console$"
like 'and names the console'\''s log' "$(cat "$tmp/stdout")" "$state/checks/demo/small/2/console.log"
like 'which has what the guest said' "$(cat "$state/checks/demo/small/2/console.log")" '^@ready'
is 'the result is noted' "$(kept demo/small@2 result) $(kept demo/small@2 screenshot)" 'up null'
is 'it is gild'\''s, and not for everybody' "$(stat -c '%U %a' "$state/checks" "$state/checks/demo/small/2/"*)" \
    $'gild 750\ngild 640\ngild 640'
is 'and listed' "$(gild images demo/small --json | jq -c '[.images[].check.result]')" '[null,"up"]'
leaves_no_vm 'nothing of the VM is left'
run_ok 'another version, in JSON' gild check ${SMALL/small/small@1} "$tmp/small.xml" --ready @ready --json
is 'says what it is' "$(jq -c '[.image, .version, .result, (.seconds > 0), .console]' "$tmp/stdout")" \
    "[\"demo/small\",1,\"up\",true,\"$state/checks/demo/small/1/console.log\"]"

# Not up.
not_up 'a guest that never says it' "^demo/small@2 is not up: after 8 s its serial console has not said 'never said'" \
    gild check $SMALL "$tmp/small.xml" --ready 'never said' --timeout 8s
is 'the result is another now' "$(kept demo/small@2 result)" not-up
not_up 'a guest without an agent' 'agent does not answer, and its serial console asks for no login' \
    gild check $SMALL "$tmp/small.xml" --timeout 4s --json
boots "$tmp/off.xml" 'rdinit=/bin/busybox -- poweroff -f'
not_up 'a guest that turns itself off' 'not up: it turned itself off' gild check $SMALL "$tmp/off.xml" --timeout 90s
boots "$tmp/reset.xml" 'rdinit=/bin/busybox -- reboot -f'
not_up 'a guest that resets itself' 'not up: it was reset' gild check $SMALL "$tmp/reset.xml" --timeout 90s
boots "$tmp/panic.xml" 'rdinit=/none panic=0'
not_up 'a guest that panics' 'not up: its kernel has panicked' gild check $SMALL "$tmp/panic.xml" --timeout 90s
leaves_no_vm 'nothing of a VM is left'

# A script says so.
cat >"$tmp/script" <<'END'
#!/bin/bash
echo "as $(id -un) of $GILD_IMAGE@$GILD_VERSION in $GILD_DOMAIN"
case $what in
up) until grep -q @ready "$GILD_CONSOLE"; do sleep 0.2; done; virsh domstate "$GILD_DOMAIN" ;;
not-up) sleep 1007 & exit 3 ;;
broken) exit 4 ;;
hangs) sleep 1007 & setsid sleep 1007 & sleep 1007 ;;
esac
END
chmod 700 "$tmp/script"
script_leaves_nothing ()
{
    is "$1" "$(pgrep -fx 'sleep 1007')" ''
}
what=up run_ok 'up by a script' gild check $SMALL "$tmp/small.xml" --script "$tmp/script"
like 'it is root, and knows of what' "$(cat "$tmp/stderr")" '^as root of demo/small@2 in gild-check-[0-9a-f]{8}$'
like 'and reaches the VM' "$(cat "$tmp/stderr")" '^running$'
what=not-up run_fails 'not up by a script' 3 '^as root' gild check $SMALL "$tmp/small.xml" --script "$tmp/script"
script_leaves_nothing 'what it has left is ended'
what=broken run_fails 'a script that fails' 1 'could not check .*status 4' gild check $SMALL "$tmp/small.xml" --script "$tmp/script"
is 'is no result' "$(kept demo/small@2 result)" not-up
what=hangs run_fails 'a script that hangs' 3 '^as root' gild check $SMALL "$tmp/small.xml" --script "$tmp/script" --timeout 5s
script_leaves_nothing 'is ended with all that it has started'

# Whoever is killed leaves nothing, or nothing that the next check does not remove.
check_in_background --ready 'never said'
kill -TERM "$check_pid"
status=0
wait "$check_pid" || status=$?
is 'a check that is ended' "$status" 1
like 'says that it could not' "$(cat "$tmp/background.out")" 'could not check demo/small: interrupted'
leaves_no_vm 'and leaves no VM'
what=hangs check_in_background --script "$tmp/script"
wait_for 20 pgrep -fx 'sleep 1007'
kill -KILL "$check_pid"
wait "$check_pid" 2>/dev/null || :
leaves_no_vm 'a check that is killed leaves no VM'
no_script ()
{
    ! pgrep -fx 'sleep 1007'
}
run_ok 'nor its script' wait_for 10 no_script
check_in_background --ready 'never said'
kill_libvirtd
wait "$check_pid" || status=$?
is 'libvirtd killed: it could not be checked' "$status" 1
like 'it says so' "$(cat "$tmp/background.out")" 'could not check demo/small: '

# Two at once; the first of them finds what the killed ones have left.
gild check $SMALL "$tmp/small.xml" --ready @ready >"$tmp/one" 2>&1 &
one=$!
run_ok 'one of two checks at once' gild check $SMALL "$tmp/small.xml" --ready @ready
run_ok 'and the other' wait "$one"
leaves_no_vm 'leave nothing, also of those that were killed'
is 'nor their directories' "$(ls "$state/checks/.running")" ''

# A result goes with its version.
gild publish demo/small "$guest_files/golden.qcow2" >"$tmp/publish.log" 2>&1
run_ok 'gild gc' gild gc --keep 1
is 'removes the results of what it removes' "$(ls "$state/checks/demo/small")" "$(ls "$state/images/demo/small" | sed -n 's/^\([12]\)\.json$/\1/p')"

# A real Debian, and what an update may break in it. It is turned into a file that is written to once.
run_ok 'publish Debian' gild publish demo/debian "$golden"
run_ok 'Debian is up' check_debian --ready ' login:'
diag "$(head -n 1 "$tmp/stdout")"
run_ok 'there is a picture of its screen' pngtopnm "$state/checks/demo/debian/1/screenshot.png"
like 'it has said that it is Debian' "$(tr -d '\r' <"$state/checks/demo/debian/1/console.log")" 'Debian GNU/Linux 12 gild-check-[0-9a-f]{8}'
run_ok 'up by its agent' check_debian --agent --json
is 'says so' "$(jq -r .reason "$tmp/stdout")" 'its guest agent answers'
qemu-img convert -f qcow2 -O raw "$golden" "$tmp/broken.raw"
echo '/dev/vda1 /home xfs defaults 0 0' >"$tmp/fstab"
debugfs -w "$tmp/broken.raw?offset=1048576" -R 'rm /etc/fstab' >"$tmp/debugfs.log" 2>&1
debugfs -w "$tmp/broken.raw?offset=1048576" -R "write $tmp/fstab /etc/fstab" >>"$tmp/debugfs.log" 2>&1
run_ok 'publish one whose fstab is broken' gild publish demo/debian "$tmp/broken.raw" --format raw
not_up 'it is not up' 'not up: .*(emergency mode|root)' check_debian
dd if=/dev/zero of="$tmp/broken.raw" bs=512 count=1 conv=notrunc status=none
run_ok 'publish one without a boot loader' gild publish demo/debian "$tmp/broken.raw" --format raw
not_up 'it is not up' 'not up: it was reset' check_debian
leaves_no_vm 'nothing of a VM is left'
run_ok 'the images are whole' gild verify
done_testing
