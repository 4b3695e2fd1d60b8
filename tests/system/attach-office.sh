#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An office without virtual machines: two PCs attach one image at once, at the same place, each fetching what it reads;
# and a stock QEMU reads from gild serve as long as its host belongs to the site.
# shellcheck source=tests/office/lib.sh
. "$(dirname "$0")/../office/lib.sh"
needs jq pgrep
host_needs
[ -c /dev/fuse ] && grep -qw fuse /proc/filesystems || skip_all 'this kernel has no FUSE'
[ -b /dev/loop0 ] && [ -c /dev/loop-control ] || skip_all 'there are no loop devices here'
office_up

readonly DRIVE=/run/drive
wanted=$(cat "$guest_files/golden.sha256")

sums ()
{
    on "$1" sh -c "cd $DRIVE && sha256sum numbers random hole dir/hello"
}

# detach_at_exit HOST: whatever the test has left there.
detach_at_exit ()
{
    at_exit "on $1 umount -l $DRIVE 2>/dev/null"
}

# reads HOST: a stock QEMU there compares what srv1 serves with the golden image.
reads ()
{
    on "$1" qemu-img compare --object tls-creds-x509,id=tls,dir=/run/kiosk,endpoint=client --image-opts \
        "driver=raw,file.driver=nbd,file.server.type=inet,file.server.host=${host_address[srv1]},file.server.port=10809,file.export=demo/erp@1,file.tls-creds=tls,file.tls-hostname=srv1.gild.internal" \
        "driver=qcow2,file.driver=file,file.filename=$guest_files/golden.qcow2"
}

add_host srv1
on srv1 gild init office >"$tmp/init.log" 2>&1 || { diag_file "$tmp/init.log"; exit 1; }
start_host srv1
run_ok 'publish' on srv1 gild publish demo/erp "$guest_files/golden.qcow2"
for pc in pc1 pc2; do
    add_host "$pc" $'[fetch]\nprefetch=never'
    join srv1 "$pc"
    run_ok "$pc has the record" wait_for 60 has_version "$pc" demo/erp@1
    at_exit "stop_host $pc"
    on "$pc" mkdir "$DRIVE"
    detach_at_exit "$pc"
done

on pc1 gild attach demo/erp "$DRIVE" >"$tmp/pc1.log" 2>&1 &
first=$!
run_ok 'two PCs attach at once: one' on pc2 gild attach demo/erp "$DRIVE" --overlay 64MiB
wait "$first" && ok 'and the other' || { not_ok 'and the other'; diag_file "$tmp/pc1.log"; }
is 'one reads what is golden' "$(sums pc1)" "$wanted"
is 'the other too' "$(sums pc2)" "$wanted"
on pc1 sh -c "echo of-pc1 >>$DRIVE/dir/hello"
on pc2 sh -c "rm $DRIVE/dir/hello; echo of-pc2 >$DRIVE/mine; sync -f $DRIVE"
sync
echo 3 >/proc/sys/vm/drop_caches
is 'each has its own changes' "$(on pc1 sh -c "cat $DRIVE/dir/hello; ls $DRIVE" | tr '\n' ' ')$(on pc2 sh -c "ls $DRIVE $DRIVE/dir" | tr '\n' ' ')" \
    "gilded of-pc1 dir hole lost+found numbers random $DRIVE: dir hole lost+found mine numbers random  $DRIVE/dir: "
like 'gild desktops of each knows its own' "$(on pc2 gild desktops --json 2>/dev/null | jq -c '[.desktops[] | .directory, .overlay_cap]')" "^\[\"$DRIVE\",67108864\]$"
unplug srv1
echo 3 >/proc/sys/vm/drop_caches
is 'what was read is there without the server' "$(on pc1 sha256sum "$DRIVE/random" | cut -c -64)" "$(sed -n 2p <<<"$wanted" | cut -c -64)"
run_ok 'detach' on pc1 gild detach "$DRIVE"
is 'the other PC has its drive' "$(on pc2 cat "$DRIVE/mine")" of-pc2
run_ok 'detach there' on pc2 gild detach "$DRIVE"
run_ok 'attach again' on pc2 gild attach demo/erp "$DRIVE"
is 'it is golden again, all of it from here' "$(sums pc2)" "$wanted"
run_ok 'detach again' on pc2 gild detach "$DRIVE"
plug srv1

# shellcheck disable=SC2016
on pc1 sh -c 'mkdir /run/kiosk && cd /var/lib/gild/site && cp ca.pem /run/kiosk/ca-cert.pem && cp host.pem /run/kiosk/client-cert.pem &&
    cp host-key.pem /run/kiosk/client-key.pem'
on_seconds=600 on srv1 gild serve --nbd "${host_address[srv1]}" >"$tmp/serve.log" 2>&1 &
server=$!
stop_at_exit "$server"
run_ok 'a stock QEMU reads from another host' wait_for 20 reads pc1
run_ok 'its host is removed from the site' on srv1 gild hosts remove pc1
run_ok 'and it reads no more' wait_for 10 eval '! reads pc1'
like 'the server has noticed' "$(cat "$tmp/serve.log")" 'hosts were removed'
done_testing
