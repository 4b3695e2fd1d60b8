#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A staged rollout with guests: desk, which has them, takes a version first; it is seen to come up there, or not.
. "$(dirname "$0")/../office/lib.sh"
readonly IMAGE=demo/desktop
other=pc35 versions=0 # a host that no first stage reaches: its bucket is larger than that of desk
office_up

# bucket VERSION HOST: as rollout-bucket.h has it.
bucket ()
{
    local hash
    hash=$(printf '%s@%s %s' $IMAGE "$1" "$2" | sha256sum | cut -c -16)
    echo "$(((0x${hash:0:8} % 100 * 96 + 0x${hash:8:8}) % 100))" # 2^32 modulo 100 is 96
}

# status JQ: of the rollout.
status ()
{
    on srv gild promote --status $IMAGE --json | jq -c "$1"
}

status_is ()
{
    [ "$(status "$1")" = "$2" ]
}

# prepared HOST: the version that a desktop would boot there.
prepared ()
{
    on "$1" curl -sSf --max-time 20 --unix-socket $run/gildd.sock -d \
        "{\"uuid\":\"7c1ff4a4-9f0b-4f3c-a7ec-6e6d0a3d0e11\",\"disks\":[{\"target\":\"vda\",\"image\":\"$IMAGE\"}]}" \
        http://gild/desktops/pc/prepare | jq '.disks[0].version'
    on "$1" curl -sSf --max-time 20 --unix-socket $run/gildd.sock -X DELETE http://gild/desktops/pc >/dev/null
}

# names HOST VERSION: production names it there.
names ()
{
    on "$1" gild images $IMAGE --json |
        jq -e ".images[] | select(.version == $2) | .channels | index(\"production\") != null" >/dev/null
}

# boots VERSION MEMBER: what desk has counted.
boots ()
{
    jq ".versions[] | select(.ref == \"$IMAGE@$1\") | .$2" $state/images/boots.json
}

boots_are ()
{
    [ "$(boots "$1" "$2")" = "$3" ]
}

runs ()
{
    [ "$(gild desktops --json | jq -r ".desktops[] | select(.name == \"$1\") | .images[0]")" = "$2" ]
}

reaches_desk ()
{
    gild images $IMAGE --json | jq -e ".images[] | select(.version == $1) | .rollouts.production" >/dev/null
}

comes_true ()
{
    if wait_for "${@:2}"; then
        ok "$1"
    else
        not_ok "$1"
        diag "$(on srv gild promote --status $IMAGE 2>&1)"
        show_host srv desk
    fi
}

printf '[fetch]\nprefetch=never\n[desktop]\nboot-time=40\n' >/etc/gild/gild.conf
add_host srv $'[fetch]\nprefetch=never'
add_host $other $'[fetch]\nprefetch=never'
run_ok 'a site' on srv gild init office
start_host srv
cp "$guest_files/golden.qcow2" "$tmp/golden.qcow2"
for channel in production test test; do
    qemu-io -f qcow2 -c "write -P $((++versions)) 200M 64k" "$tmp/golden.qcow2" >>"$office_log" 2>&1
    run_ok "publish version $versions" on srv gild publish $IMAGE "$tmp/golden.qcow2" --channel $channel
done
run_ok 'a PC joins' join srv $other
start_libvirt
run_ok 'and the one with the guests' join srv desk
cp "$guest_files/vmlinuz" "$guest_files/initrd.img" /var/lib/libvirt/boot
comes_true 'it has the versions' 60 has_version desk $IMAGE@3
# The small guest says @ready on its console, and the other one has nobody who hears what it says.
desktop_attributes="ready='@ready'" template "target='vda' image='$IMAGE'" >"$tmp/up.xml"
desktop_attributes="ready='never said'" template "target='vda' image='$IMAGE'" >"$tmp/down.xml"
run_ok 'a desktop' define pc-up "$tmp/up.xml"
run_ok 'virsh start' virsh start pc-up
comes_true 'its console says that it is up' 60 boots_are 1 up 1

# The next version, on desk first.
run_ok 'gild promote --stage' on srv gild promote $IMAGE@2 --stage "$(($(bucket 2 desk) + 1))%,100%" --wait 2s
comes_true 'desk hears of it' 30 reaches_desk 2
like 'and has an update waiting' "$(gild desktops)" 'pc-up: update waiting: its next start boots demo/desktop@2'
run_ok 'the desktop runs what it booted' runs pc-up $IMAGE@1
is 'the other PC does not' "$([ "$(bucket 2 $other)" -gt "$(bucket 2 desk)" ] && prepared $other)" 1
kill_child srv gildd
run_ok 'virsh destroy' virsh destroy pc-up
run_ok 'virsh start' virsh start pc-up
run_ok 'it boots the new one' runs pc-up $IMAGE@2
kill_child desk gildd
comes_true 'and its console is heard, though gildd was killed' 60 boots_are 2 up 1
is 'it is one boot' "$(boots 2 started)" 1
comes_true 'so the rollout goes on to all' 60 names "$other" 2
is 'and is done' "$(status .state)" '"done"'

# One that does not come up.
run_ok 'another one' on srv gild promote $IMAGE@3 --stage "$(($(bucket 3 desk) + 1))%,100%" --wait 2s
comes_true 'reaches desk' 30 reaches_desk 3
run_ok 'a desktop' define pc-down "$tmp/down.xml"
run_ok 'boots it' virsh start pc-down
run_ok 'gild promote --pause' on srv gild promote --pause $IMAGE
comes_true 'and does not come up in its time' 60 boots_are 3 late 1
comes_true 'so the rollout goes back, by itself' 30 status_is .state '"back"'
like 'and says why, and where' "$(status .why)" '1 of 1 desktops .*not come up.*\(desk\)'
run_ok 'production is what it was' names srv 2
comes_true 'on the host with the guests too' 30 names desk 2
virsh -q reset pc-up
comes_true 'a reset is counted' 20 boots_are 2 resets 1
kill -KILL "$(cat /run/libvirt/qemu/pc-up.pid)"
comes_true 'and a crash' 20 boots_are 2 crashes 1
done_testing
