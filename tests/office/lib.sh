# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An office of the test's own: PCs on one switch, each with a gildd and an nbdkit of its own.
#
#   office_up                    the switch, and the script's own namespaces as host "desk", where libvirtd may run
#   add_host srv1                one more host, with nothing on it; add_host srv1 $'[fetch]\nprefetch=never' configures it
#   on srv1 gild init site       a command on that host
#   start_host srv1
#   start_libvirt_on pc1         a libvirtd of its own, for its guests
#   join srv1 pc1                pc1 enters srv1's site
#   unplug pc1; plug pc1         its cable
#
# A host is a process that holds network, mount and UTS namespaces: /run, /etc/gild and /var/lib/gild are its own, in
# memory, so that each program finds everything at the installed places, and each gildd only what is its own; programs
# and users are those of the script's host (tests/system/lib.sh).
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"

readonly OFFICE_NETWORK=10.90.0 OFFICE_PORT=10890
declare -A host_pid=() host_address=()
switch_pid='' office_log=$tmp/office.log

# The script's own host is one like the others, called desk.
office_up ()
{
    host_needs
    needs ip tc nsenter jq nbdcopy
    make_private
    install_gild
    mkfifo "$tmp/ready"
    hold switch --net
    switch_pid=$held_pid
    on_switch ip link add office type bridge
    on_switch ip link set office up
    hostname desk
    connect_host desk $$
    mkdir -p /etc/gild
}

# hold NAME NAMESPACE…: a process that does nothing, in new namespaces; its PID in $held_pid.
hold ()
{
    # shellcheck disable=SC2016
    unshare "${@:2}" -- bash -c 'echo >"$1"; exec -a "gild-test-$2" sleep infinity' - "$tmp/ready" "$1" &
    held_pid=$!
    read -r <"$tmp/ready"
}

on_switch ()
{
    nsenter --net="/proc/$switch_pid/ns/net" -- "$@"
}

# connect_host NAME PID: a cable from that process's network to the switch.
connect_host ()
{
    host_pid[$1]=$2
    host_address[$1]=$OFFICE_NETWORK.$((${#host_address[@]} + 1))
    on_switch ip link add "$1" type veth peer name eth0 netns "$2"
    on_switch ip link set "$1" master office up
    on "$1" ip link set lo up
    on "$1" ip address add "${host_address[$1]}/16" dev eth0
    on "$1" ip link set eth0 up
    on "$1" ip route add default dev eth0
}

# add_host NAME [CONFIGURATION]
add_host ()
{
    hold "$1" --mount --propagation private --net --uts
    connect_host "$1" "$held_pid"
    # shellcheck disable=SC2016
    on "$1" bash -euc '
        hostname "$1"
        for directory in /run /etc/gild /var/lib/gild; do
            mkdir -p "$directory"
            mount -t tmpfs -o mode=755 "gild-test" "$directory"
        done
        mkdir /run/lock
        echo "$2" >/etc/gild/gild.conf' - "$1" "${2:-}"
}

# on HOST COMMAND…: as root there; a program that takes longer than $on_seconds (120) fails.
on ()
{
    local pid=${host_pid[$1]}
    nsenter --mount="/proc/$pid/ns/mnt" --net="/proc/$pid/ns/net" --uts="/proc/$pid/ns/uts" -- \
        timeout --foreground "${on_seconds:-120}" "${@:2}"
}

# start_on HOST COMMAND…: the same without a limit, in the background; its PID in $started_pid.
start_on ()
{
    local pid=${host_pid[$1]}
    nsenter --mount="/proc/$pid/ns/mnt" --net="/proc/$pid/ns/net" --uts="/proc/$pid/ns/uts" -- "${@:2}" &
    started_pid=$!
}

# start_host NAME: its services, which end with the test.
start_host ()
{
    on "$1" gild-services start >>"$office_log" 2>&1 || { show_host "$1"; return 1; }
    at_exit "stop_host $1"
}

# start_libvirt_on NAME: a libvirtd of that host's own, beside desk's (start_libvirt, which comes first).
start_libvirt_on ()
{
    # shellcheck disable=SC2016
    on "$1" bash -euc 'for directory in /etc/libvirt/qemu /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
            mount -t tmpfs -o mode=755 gild-test "$directory"
        done
        mkdir -p /var/lib/libvirt/qemu /var/log/libvirt/qemu'
    start_on "$1" virtlogd >"$tmp/$1-virtlogd.log" 2>&1
    stop_at_exit "$started_pid"
    wait_for 20 on "$1" test -S /run/libvirt/virtlogd-sock
    start_on "$1" libvirtd --timeout 0 --config "$srcdir/demo/libvirtd.conf" >"$tmp/$1-libvirtd.log" 2>&1
    stop_at_exit "$started_pid"
    wait_for 60 on "$1" virsh version || { diag_file "$tmp/$1-libvirtd.log"; return 1; }
}

stop_host ()
{
    on "$1" gild-services stop
}

# kill_host NAME: all that gild runs there, by SIGKILL; what would start it again goes as well.
kill_host ()
{
    local keepers keeper
    keepers=$(on "$1" cat "$run/gildd.pid" "$run/nbdkit.pid")
    for keeper in $keepers; do
        kill -KILL "$keeper"
        pkill -KILL -P "$keeper" || : # it may be gone by now: its parent's death tells it to end
    done
    on "$1" rm -f "$run/gildd.pid" "$run/nbdkit.pid" "$run/nbd.sock"
}

# kill_child HOST SERVICE: gildd or nbdkit alone, which is started again.
kill_child ()
{
    pkill -KILL -P "$(on "$1" cat "$run/$2.pid")" || :
}

unplug ()
{
    on_switch ip link set "$1" down
}

plug ()
{
    on_switch ip link set "$1" up
}

# move HOST ADDRESS: as DHCP may do it.
move ()
{
    on "$1" ip address flush dev eth0
    on "$1" ip address add "$2/16" dev eth0
    on "$1" ip route add default dev eth0
    host_address[$1]=$2
}

# limit HOST RATE: what it sends, as tc names rates.
limit ()
{
    on "$1" tc qdisc replace dev eth0 root tbf rate "$2" burst 256k latency 100ms
}

# bytes_out HOST and bytes_in HOST: through its cable, so far.
bytes_out ()
{
    on "$1" ip -s -j link show eth0 | jq '.[0].stats64.tx.bytes'
}

bytes_in ()
{
    on "$1" ip -s -j link show eth0 | jq '.[0].stats64.rx.bytes'
}

# join PUBLISHER HOST: with what an admin types where there is no systemd.
join ()
{
    local token
    token=$(on "$1" gild invite 2>>"$office_log" | grep -o 'gild1://[^ ]*') &&
        on "$2" gild join "$token" >>"$office_log" 2>&1 || { show_host "$1"; return 1; }
    start_host "$2"
}

# show_host NAME…: what its services and the harness said, for whoever reads a failure.
show_host ()
{
    local name service
    diag_file "$office_log"
    for name; do
        for service in gildd nbdkit; do
            on "$name" cat "$run/$service.log" >"$tmp/$name-$service.log" 2>/dev/null || :
            diag_file "$tmp/$name-$service.log"
        done
    done
}

# disk_sum HOST IMAGE@VERSION: the SHA-256 of all that a guest would read there.
disk_sum ()
{
    on "$1" nbdcopy --connections=1 "nbd+unix:///$2?socket=$run/nbd.sock" - | sha256sum | cut -c -64
}

# missing HOST IMAGE@VERSION: the bytes that it has yet to fetch, as it says itself.
missing ()
{
    on "$1" gild hosts --json | jq -r --arg host "$1" --arg ref "$2" \
        '.hosts[] | select(.name == $host) | .versions[]? | select(.ref == $ref) | .missing'
}

is_complete ()
{
    [ "$(missing "$1" "$2")" = 0 ]
}

# has_version HOST IMAGE@VERSION: its record is there.
has_version ()
{
    on "$1" test -e "$state/images/${2%@*}/${2#*@}.json.sig"
}

# lives HOST OTHER: HOST has heard that OTHER does.
lives ()
{
    on "$1" gild hosts --json | jq -e --arg name "$2" \
        '.hosts[] | select(.name == $name) | .seen != null and .seen < 20' >/dev/null
}

# empty_store HOST: as if it had just joined: the records stay, and its services forget what they knew of the others.
empty_store ()
{
    on "$1" gild-services stop
    on "$1" find "$state/store.castr" -name '*.cacnk' -delete
    on "$1" gild-services start >>"$office_log" 2>&1
}
