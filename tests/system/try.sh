. "$(dirname "$0")/lib.sh"
host_up
gild publish demo/desktop "$guest_files/golden.qcow2"
template "target='vda' image='demo/desktop' channel='production'" >"$tmp/template.xml"
time gild define "$tmp/template.xml" pc1 --virt-type qemu --print > $tmp/a.xml
time virsh define $tmp/a.xml
time virsh define $tmp/a.xml
time virsh start pc1
virsh destroy pc1
time virsh define $tmp/a.xml

time virsh define $tmp/a.xml
done_testing
