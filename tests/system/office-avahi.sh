#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A PC that was off while everybody got another address: Avahi says where the server is by now.
. "$(dirname "$0")/../office/lib.sh"
needs avahi-daemon avahi-browse dbus-daemon
readonly IMAGE=demo/desktop MOVED=$OFFICE_NETWORK.200
office_up

# start_avahi HOST: with a system bus of its own, in the host's own /run.
start_avahi ()
{
    on "$1" mkdir -p /run/dbus
    start_on "$1" dbus-daemon --system --nofork --nopidfile >>"$office_log" 2>&1
    stop_at_exit "$started_pid"
    wait_for 10 on "$1" test -S /run/dbus/system_bus_socket || { diag_file "$office_log"; return 1; }
    start_on "$1" avahi-daemon --no-rlimits --no-chroot >>"$office_log" 2>&1
    stop_at_exit "$started_pid"
}

# announced HOST OTHER ADDRESS: HOST hears that OTHER's gildd is there.
announced ()
{
    on "$1" avahi-browse --parsable --resolve --terminate _gild._tcp | grep "^=;[^;]*;[^;]*;$2;.*;$3;$OFFICE_PORT;"
}

head -c 4M /dev/urandom >"$tmp/disk.raw"
add_host srv
add_host pc1 $'[fetch]\nprefetch=never'
on srv gild init office >>"$office_log" 2>&1
on srv gild publish "$IMAGE" "$tmp/disk.raw" >>"$office_log" 2>&1
start_host srv
run_ok 'a PC joins' join srv pc1
run_ok 'it has the records' wait_for 30 has_version pc1 "$IMAGE@1"
run_ok 'it is turned off' stop_host pc1
move srv "$MOVED"
move pc1 "$OFFICE_NETWORK.201"
start_avahi srv
start_avahi pc1
run_ok 'Avahi tells of the server' wait_for 20 announced pc1 srv "$MOVED"
run_ok 'the server publishes' on srv gild publish "$IMAGE" "$tmp/disk.raw"
on pc1 gild-services start >>"$office_log" 2>&1
run_ok 'the PC, which nobody has told, hears of that' wait_for 60 has_version pc1 "$IMAGE@2"
like 'by what Avahi says' "$(on pc1 cat "$run/gildd.log")" "srv is at ${MOVED//./\\.} by now"
run_ok 'it fetches' on pc1 gild fetch "$IMAGE"
[ "$tap_failed" = 0 ] || show_host srv pc1
done_testing
