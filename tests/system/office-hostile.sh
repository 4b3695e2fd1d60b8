#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Peers that do not keep to what hosts promise each other: a fetch beside one of them ends, and ends right.
. "$(dirname "$0")/../office/lib.sh"
needs curl
readonly PROGRAMS=$build/tests/office IMAGE=demo/random FETCH_SECONDS=60
# Each of them has a certificate of the site, and answers in its own way.
readonly MODES=(wrong-bytes bomb endless endless-head slow too-long too-short redirect never waiting none garbage)
office_up
[ -x "$PROGRAMS/hostile-peer" ] || skip_all "there is no $PROGRAMS/hostile-peer"

# heartbeats: that of the hostile host, which says that it has everything, until it is killed.
heartbeats ()
{
    while sleep 1; do
        on bad curl -sS --max-time 5 --cacert "$state/site/ca.pem" --cert "$state/site/host.pem" \
            --key "$state/site/host-key.pem" --connect-to "::${host_address[srv1]}:" \
            -d "{\"format\": \"gild-heartbeat-1\", \"port\": $OFFICE_PORT, \"origin\": false, \"publisher\": false, \"versions\": [{\"ref\": \"$IMAGE@1\", \"missing\": 0}], \"desktops\": [], \"crl\": 0, \"known\": null}" \
            "https://srv1.gild.internal:$OFFICE_PORT/hosts/heartbeat" >>"$tmp/heartbeats" 2>&1 || echo >>"$tmp/heartbeats"
    done
}

# bad_peer MODE [DIRECTORY]: from now on it answers so, with the certificate in DIRECTORY.
bad_peer ()
{
    local directory=${2:-/var/lib/gild/site}
    : >"$tmp/asked"
    start_on bad "$PROGRAMS/hostile-peer" "$1" "$OFFICE_PORT" "$directory/host.pem" "$directory/host-key.pem" >"$tmp/asked"
    bad_pid=$started_pid
    wait_for 5 on pc1 bash -c "exec 3<>/dev/tcp/${host_address[bad]}/$OFFICE_PORT"
}

# forget: pc1 is as if it had just joined.
forget ()
{
    empty_store pc1
    wait_for 30 lives pc1 bad || not_ok 'pc1 hears of the hostile peer'
}

# fetches DESCRIPTION: pc1 reads all of the image, of which it has nothing, in time.
fetches ()
{
    local from=$SECONDS got
    got=$(on_seconds=$((FETCH_SECONDS * 2)) disk_sum pc1 "$IMAGE@1" 2>"$tmp/fetch-error") || got="failed: $(cat "$tmp/fetch-error")"
    is "$1" "$got" "$wanted"
    [ $((SECONDS - from)) -le $FETCH_SECONDS ] || not_ok "$1: in time, and not in $((SECONDS - from)) s"
}

was_asked ()
{
    grep -q '^POST /store .* [1-9]' "$tmp/asked"
}

head -c 24M /dev/urandom >"$tmp/random.raw"
wanted=$(sha256sum <"$tmp/random.raw" | cut -c -64)
add_host srv1
add_host pc1 $'[fetch]\nprefetch=never'
add_host bad $'[fetch]\nprefetch=never'
on srv1 gild init office >>"$office_log" 2>&1
start_host srv1
run_ok 'publish' on srv1 gild publish "$IMAGE" "$tmp/random.raw"
run_ok 'a host joins' join srv1 pc1
run_ok 'and one that means no good' join srv1 bad
on bad gild-services stop
heartbeats &
at_exit "stop $!"

for mode in "${MODES[@]}"; do
    bad_peer "$mode"
    forget
    fetches "a peer that answers $mode"
    run_ok "it was asked" was_asked
    stop "$bad_pid"
done

# One that means well, and has no room for what it is to fetch for others.
on bad mount -o "remount,size=$(($(on bad du -sk "$state" | cut -f 1) + 128))k" "$state"
on bad gild-services start >>"$office_log" 2>&1
forget
fetches 'a peer whose disk is full'
on bad gild-services stop
on bad mount -o remount,size=50% "$state"

# What it would answer is not even heard.
mkdir "$tmp/expired" "$tmp/stranger"
run_ok 'a certificate that has expired' on srv1 "$PROGRAMS/make-certificate" "$state/site" bad "$tmp/expired" expired
add_host bad2
on bad2 hostname bad
on bad2 gild init stranger >>"$office_log" 2>&1
on bad2 cp "$state/site/host.pem" "$state/site/host-key.pem" "$tmp/stranger"
for certificate in expired stranger; do
    bad_peer wrong-bytes "$tmp/$certificate"
    forget
    fetches "a peer whose certificate is that of: $certificate"
    run was_asked
    is 'it was not asked' "$status" 1
    stop "$bad_pid"
done
run_ok 'it is removed' on srv1 gild hosts remove bad
bad_peer wrong-bytes
empty_store pc1
wait_for 20 on pc1 test -e "$state/site/crl.pem" || not_ok 'pc1 hears of the removal'
fetches 'a peer that was removed'
run was_asked
is 'it was not asked' "$status" 1
stop "$bad_pid"
done_testing
