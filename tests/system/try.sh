. "$(dirname "$0")/lib.sh"
host_up
ls -la /run/gild; id libvirt-qemu; ps axo user,group,supgrp,args | grep nbdkit
gild publish demo/desktop "$guest_files/golden.qcow2"
template "target='vda' image='demo/desktop' channel='production'" >"$tmp/template.xml"
gild define "$tmp/template.xml" pc1 --virt-type qemu
virsh start pc1 || true
ls -la /run/gild
grep -v -e '^#' -e '^$' /etc/libvirt/qemu.conf
done_testing
