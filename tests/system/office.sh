#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An office: PCs join, stream, keep images, and go on without the first server; desk has the guests.
. "$(dirname "$0")/../office/lib.sh"
# shellcheck source=demo/guest.sh
. "$srcdir/demo/guest.sh"
readonly IMAGE=demo/desktop DEBIAN=$srcdir/demo/cache/debian-minimal.qcow2
office_up

# golden_sum FILE: of all that a guest sees of it.
golden_sum ()
{
    qemu-img convert -f qcow2 -O raw "$1" "$tmp/sum.raw"
    sha256sum <"$tmp/sum.raw" | cut -c -64
    rm "$tmp/sum.raw"
}

# reads DESCRIPTION HOST VERSION SUM
reads ()
{
    is "$1" "$(disk_sum "$2" "$IMAGE@$3" 2>&1)" "$4"
}

store_bytes ()
{
    on "$1" find "$state/store.castr" -name '*.cacnk' -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}

has_less ()
{
    [ "$(store_bytes "$1")" -lt "$2" ]
}

# has_read HOST BYTES: as much has come through its cable.
has_read ()
{
    [ "$(bytes_in "$1")" -ge "$2" ]
}

# lists_no_more HOST OTHER
lists_no_more ()
{
    on "$1" gild hosts --json | jq -e --arg name "$2" 'all(.hosts[]; .name != $name)' >/dev/null
}

# refuses HOST OTHER: it does not answer OTHER's certificate.
refuses ()
{
    [ "$(on "$2" curl -sS -o /dev/null -w '%{http_code}' --max-time 20 --cacert "$state/site/ca.pem" \
        --cert "$state/site/host.pem" --key "$state/site/host-key.pem" --connect-to "::${host_address[$1]}:" \
        "https://$1.gild.internal:$OFFICE_PORT/crl.pem")" = 403 ]
}

golden=$(golden_sum "$guest_files/golden.qcow2")
for host in srv1 srv2 pc1 pc2 pc3; do
    add_host "$host" $'[fetch]\nprefetch=never'
done
printf '[fetch]\nprefetch=never\n' >/etc/gild/gild.conf
run_ok 'a site' on srv1 gild init office
start_host srv1
run_ok 'publish' on srv1 gild publish "$IMAGE" "$guest_files/golden.qcow2"
[ ! -e "$DEBIAN" ] || run_ok 'publish Debian' on srv1 gild publish demo/debian "$DEBIAN"

# They join.
for host in srv2 pc1 pc2; do
    run_ok "$host joins" join srv1 "$host"
done
run_ok 'one has the records of the site' wait_for 60 has_version pc1 "$IMAGE@1"
is 'and nothing of the image' "$([ "$(store_bytes pc1)" -lt 1000000 ] && echo little)" little
run_fails 'a name that is taken' 1 . on desk gild join --name pc1 "$(on srv1 gild invite 2>/dev/null)"
run_ok 'a replica' on srv2 gild replica "$IMAGE"
run_ok 'which becomes complete' wait_for 120 is_complete srv2 "$IMAGE@1"
run_ok 'the others hear of it' wait_for 120 lives pc1 srv2
like 'gild hosts lists them' "$(on pc2 gild hosts)" '^srv2 +10\.90\.'

# A guest boots on a PC that joined a minute ago.
joined=$SECONDS
start_libvirt
run_ok 'the PC with the guests joins' join srv1 desk
cp "$guest_files/vmlinuz" "$guest_files/initrd.img" /var/lib/libvirt/boot
template "target='vda' image='$IMAGE'" >"$tmp/desktop.xml"
if [ -e "$DEBIAN" ]; then
    run_ok 'it has the record of Debian' wait_for 60 has_version desk demo/debian@1
    run_ok 'define a desktop from the installed template' gild define linux pc-debian --image demo/debian --virt-type qemu
    virsh -q net-define /usr/share/libvirt/networks/default.xml >/dev/null 2>&1 || :
    virsh -q net-start default >"$tmp/net.log" 2>&1 || diag_file "$tmp/net.log"
    run_ok 'virsh start' virsh start pc-debian
    run_ok 'Debian boots, streaming' wait_for_guest 300 pc-debian agent_answers pc-debian
    diag "$((SECONDS - joined)) s after it began to join; $(store_bytes desk) bytes of $(store_bytes srv1) are here"
    run_ok 'with a part of the image here' has_less desk $(($(store_bytes srv1) * 3 / 4))
    is 'its system is Debian'\''s' "$(agent pc-debian guest-get-osinfo | jq -r .id)" debian
    run_ok 'virsh shutdown' virsh shutdown pc-debian
    run_ok 'it shuts down' wait_for 120 is_off pc-debian
else
    skip "there is no $DEBIAN" 'Debian boots, streaming'
fi

# The small guest reads all of its files, of which nothing is here.
run_ok 'a desktop with the small guest' define pc-small "$tmp/desktop.xml"
run_ok 'virsh start' virsh start pc-small
guest_up pc-small
is 'it reads every file right' \
    "$(guest_seconds=120 guest_run pc-small 'cd /mnt/vda && sha256sum numbers random hole dir/hello')" "$(cat "$guest_files/golden.sha256")"
is 'the guest has seen no error' "$(disk_errors pc-small)" none

# Two PCs at once; the origin sends each chunk about once.
before=$(bytes_out srv1)
disk_sum pc1 "$IMAGE@1" >"$tmp/sum.pc1" &
disk_sum pc2 "$IMAGE@1" >"$tmp/sum.pc2"
wait $!
is 'two PCs read the image at once: one' "$(cat "$tmp/sum.pc1")" "$golden"
is 'two' "$(cat "$tmp/sum.pc2")" "$golden"
diag "srv1 sent $(($(bytes_out srv1) - before)) bytes for them"

# The first origin dies while a PC reads; nothing is written to the guest but what it waits for.
run_ok 'another PC joins' join srv1 pc3
run_ok 'it has the records' wait_for 60 has_version pc3 "$IMAGE@1"
run_ok 'it knows the replica' wait_for 120 lives pc3 srv2
for host in srv1 srv2 pc1 pc2 desk; do
    limit "$host" 10mbit
done
from=$(bytes_in pc3)
disk_sum pc3 "$IMAGE@1" >"$tmp/sum.pc3" &
reader=$!
run_ok 'it reads' wait_for 60 has_read pc3 $((from + 1000000))
kill_host srv1
run_ok 'the first origin is killed, and its read goes on' wait "$reader"
is 'to the end, and right' "$(cat "$tmp/sum.pc3")" "$golden"
is 'the guest has seen no error either' "$(guest_run pc-small 'echo 3 >/proc/sys/vm/drop_caches; sha256sum </mnt/vda/random | cut -c -64')" \
    "$(awk '$2 == "random" { print $1 }' "$guest_files/golden.sha256")"
guest_down pc-small
for host in srv1 srv2 pc1 pc2 desk; do
    limit "$host" 1gbit
done

# Without a network.
run_ok 'gild fetch, without the first origin' gild fetch "$IMAGE"
run_ok 'all of it is here' wait_for 60 is_complete desk "$IMAGE@1"
like 'gild images says so' "$(gild images)" 'offline-ready'
unplug desk
started=$SECONDS
run_ok 'virsh start with the cable pulled' virsh start pc-small
guest_up pc-small
diag "$((SECONDS - started)) s to a guest that answers"
is 'the guest reads every file right' \
    "$(guest_run pc-small 'cd /mnt/vda && sha256sum numbers random hole dir/hello')" "$(cat "$guest_files/golden.sha256")"
is 'the guest has seen no error' "$(disk_errors pc-small)" none
plug desk

# The first origin comes back, and publishes.
start_host srv1
cp "$guest_files/golden.qcow2" "$tmp/next.qcow2"
qemu-io -f qcow2 -c 'write -P 7 200M 1M' "$tmp/next.qcow2" >>"$office_log"
run_ok 'it publishes the next version' on srv1 gild publish "$IMAGE" "$tmp/next.qcow2"
next=$(golden_sum "$tmp/next.qcow2")
for host in srv2 pc1 pc2 pc3 desk; do
    run_ok "$host hears of it" wait_for 120 has_version "$host" "$IMAGE@2"
    reads "$host reads it" "$host" 2 "$next"
    reads "and the old one" "$host" 1 "$golden"
done
run_ok 'the guest that runs has what it started with' guest_run pc-small 'echo 3 >/proc/sys/vm/drop_caches; sha256sum </mnt/vda/random'
guest_down pc-small

# The first origin gets another address, of which nobody is told.
move srv1 $OFFICE_NETWORK.200
qemu-io -f qcow2 -c 'write -P 9 100M 1M' "$tmp/next.qcow2" >>"$office_log"
run_ok 'the origin publishes at another address' on srv1 gild publish "$IMAGE" "$tmp/next.qcow2"
third=$(golden_sum "$tmp/next.qcow2")
for host in srv2 pc1; do
    run_ok "$host hears of it" wait_for 120 has_version "$host" "$IMAGE@3"
    reads "and reads it" "$host" 3 "$third"
done

# One is shut out, of which those that can be reached are told at once.
run_ok 'gild hosts remove' on srv1 gild hosts remove pc2
for host in srv1 srv2 pc1; do
    run_ok "$host has nothing for it" wait_for 10 refuses "$host" pc2
done
run_ok 'the publisher lists it no more' wait_for 120 lists_no_more srv1 pc2
done_testing
