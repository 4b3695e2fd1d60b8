#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# virsh start fails at once and says what to do, and never starts a guest on a wrong or empty disk.
. "$(dirname "$0")/lib.sh"
needs jq
host_up

readonly FAST=8
image_dir=/var/lib/gild/images/demo/desktop

# refuses DESCRIPTION REGEX: pc1 does not start, the sentence matches, and nothing is left.
refuses ()
{
    local from=$SECONDS
    rm -f /var/log/libvirt/qemu/pc1.log
    run_fails "$1" 1 "$2" virsh start pc1
    is "$1: at once" "$((SECONDS - from <= FAST))" 1
    is "$1: no QEMU was started" "$(grep -s 'qemu-system' /var/log/libvirt/qemu/pc1.log)" ''
    leaves_nothing "$1: nothing is left" pc1
}

# changed DESCRIPTION REGEX SED_SCRIPT: with the definition so changed it does not start.
changed ()
{
    sed -E "$3" "$tmp/pc1.xml" >"$tmp/changed.xml"
    cmp -s "$tmp/pc1.xml" "$tmp/changed.xml" && not_ok "$1: the test changes nothing"
    if virsh -q define "$tmp/changed.xml" >"$tmp/define.log" 2>&1; then
        refuses "$1" "$2"
    else
        not_ok "$1: virsh define took it no longer"
        diag_file "$tmp/define.log"
    fi
    virsh -q define "$tmp/pc1.xml" >/dev/null
}

starts ()
{
    run_ok "$1" virsh start pc1
    virsh -q destroy pc1
    leaves_nothing "$1: nothing is left" pc1
}

# damaged DESCRIPTION REGEX FILE COMMAND…
damaged ()
{
    cp -p "$3" "$tmp/kept"
    "${@:4}"
    refuses "$1" "$2"
    cp -p "$tmp/kept" "$3"
}

flip ()
{
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059
    printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

gild publish demo/desktop "$guest_files/golden.qcow2" >/dev/null 2>&1
gild publish other/desktop "$guest_files/golden.qcow2" >/dev/null 2>&1
template "target='vda' image='demo/desktop' channel='production'" >"$tmp/template.xml"
gild define "$tmp/template.xml" pc1 --virt-type qemu --print >"$tmp/pc1.xml"
virsh -q define "$tmp/pc1.xml" >/dev/null
starts 'as it is, it starts'

# Services that are away.
stop_service gildd
refuses 'gildd is down' 'gildd'
like 'gildd is down: the remedy is named' "$(cat "$tmp/stderr")" 'systemctl start gildd|gild-services start'
start_services
stop_service nbdkit
refuses 'nbdkit is down' 'nbd'
like 'nbdkit is down: the remedy is named' "$(cat "$tmp/stderr")" 'systemctl (re)?start gild-nbd|gild-services start'
start_services
starts 'with both back, it starts'
rm -f "$run/nbd.sock"
refuses 'nbdkit'\''s socket is gone' 'nbd\.sock'
stop_service nbdkit
start_services

# Images and versions that are not there.
changed 'an image that does not exist' 'demo/nothing' 's,image="demo/desktop",image="demo/nothing",'
changed 'a channel that does not exist' 'test' 's,channel="production",channel="test",'
changed 'a version that does not exist' 'demo/desktop@9' 's,channel="production",version="9",'

# Metadata.
gild_disk='<gild:disk[^>]*/>'
changed 'an unknown attribute of the disk' 'colour' 's,<gild:disk ,<gild:disk colour="red" ,'
changed 'an unknown attribute of the desktop' 'colour' 's,<gild:desktop ,<gild:desktop colour="red" ,'
changed 'an unknown element' 'network' "s,($gild_disk),\\1<gild:network/>,"
changed 'a bad size' '12 apples' 's,<gild:desktop ,<gild:desktop overlay="12 apples" ,'
changed 'a size of nothing' 'overlay' 's,<gild:desktop ,<gild:desktop overlay="0" ,'
changed 'channel and version' 'version' 's,channel="production",channel="production" version="1",'
changed 'a version that is no number' 'version' 's,channel="production",version="new",'
changed 'a bad image name' 'demo/\.\./x' 's,image="demo/desktop",image="demo/../x",'
changed 'no image' 'image' 's, image="demo/desktop",,'
changed 'no target' 'target' 's,(<gild:disk[^>]*) target="vda",\1,'
changed 'no disk at all' 'disk' "s,$gild_disk,,"
changed 'a disk that is not there' 'vdc' 's,(<gild:disk[^>]*target=)"vda",\1"vdc",'
changed 'the same target twice' 'vda' "s,($gild_disk),\\1\\1,"
changed 'a target that is a path' 'target' 's,(<gild:disk[^>]*target=)"vda",\1"../vda",'

# The disk in the domain.
changed 'a path that is not ours' '/tmp/vda\.qcow2' "s,/run/gild/desktops/pc1/vda\\.qcow2,/tmp/vda.qcow2,"
changed 'the path of another desktop' 'pc2' "s,/run/gild/desktops/pc1/vda\\.qcow2,/run/gild/desktops/pc2/vda.qcow2,"
changed 'a path with ..' 'pc1' "s,/run/gild/desktops/pc1/vda\\.qcow2,/run/gild/desktops/pc1/../../x/vda.qcow2,"
changed 'a raw disk' 'qcow2' "s,(<driver [^>]*type=)[\"']qcow2[\"'],\\1'raw',"

# What is in the store is not what was signed.
damaged 'a record with a bit flipped' '1\.json' "$image_dir/1.json.sig" flip "$image_dir/1.json.sig" 250
damaged 'a record cut short' '1\.json' "$image_dir/1.json.sig" truncate -s 200 "$image_dir/1.json.sig"
damaged 'the record of another image' '1\.json|other/desktop' "$image_dir/1.json.sig" \
    cp "${image_dir/demo/other}/1.json.sig" "$image_dir/1.json.sig"
damaged 'an index with a bit flipped' '1\.caibx' "$image_dir/1.caibx" flip "$image_dir/1.caibx" 130
damaged 'an index cut short' '1\.caibx' "$image_dir/1.caibx" truncate -s 1000 "$image_dir/1.caibx"
damaged 'an index that is not there' '1\.caibx' "$image_dir/1.caibx" rm "$image_dir/1.caibx"
damaged 'a channel record with a bit flipped' 'channels\.json' "$image_dir/channels.json.sig" flip "$image_dir/channels.json.sig" 200
starts 'with all put back, it starts'

# The hook has done its part, and then the start fails.
late ()
{
    sed -E "$2" "$tmp/pc1.xml" >"$tmp/changed.xml"
    virsh -q define "$tmp/changed.xml" >/dev/null
    run_fails "$1" 1 '.' virsh start pc1
    leaves_nothing "$1: nothing is left" pc1
    virsh -q define "$tmp/pc1.xml" >/dev/null
}
late 'QEMU refuses an argument' "s,<domain ([^>]*)>,<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' \\1>,
    s,</domain>,<qemu:commandline><qemu:arg value='-nonsense'/></qemu:commandline></domain>,"
late 'a second disk is missing' "s,</devices>,<disk type='file' device='cdrom'><source file='/nowhere.iso'/><target dev='sda' bus='sata'/></disk></devices>,"
late 'the kernel is missing' 's,/var/lib/libvirt/boot/vmlinuz,/nowhere/vmlinuz,'
starts 'after such failures, it starts'

# A host that was cut off from the mains: what the last run has left is in the way of nobody.
mkdir -p "$run/desktops/pc1"
mount -t tmpfs litter "$run/desktops/pc1"
touch "$run/desktops/pc1/vda.qcow2"
starts 'a stale overlay of an earlier run is replaced'

# Domains that are none of ours.
sed -E '/<metadata>/,/<\/metadata>/d; /<disk /,/<\/disk>/d; s,<name>pc1,<name>plain,; /<uuid>/d' "$tmp/pc1.xml" >"$tmp/plain.xml"
virsh -q define "$tmp/plain.xml" >/dev/null
stop_service gildd
run_ok 'a domain without gild metadata starts, though gildd is down' virsh start plain
is 'and gild has nothing of it' "$(find "$run/desktops" -name '*plain*')" ''
virsh -q destroy plain
start_services
done_testing
