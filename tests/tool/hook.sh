#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The hook as libvirt calls it, as far as it goes without root: what it passes over, and what it refuses.
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
hook=${builddir:?}/virt-hooks/gild

# domain METADATA [SOURCE]: the XML of the domain pc1.
domain ()
{
    cat <<END
<domain type='qemu' id='1'>
  <name>pc1</name>
  <uuid>edd5e4b8-8559-87f6-bdda-8c30c5d16b3c</uuid>
  <metadata>$1</metadata>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' error_policy='enospace' rerror_policy='stop'/>
      <source file='${2:-/run/gild/desktops/pc1/vda.qcow2}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
END
}

# call FILE ARGUMENT…
call ()
{
    "$hook" "${@:2}" <"$tmp/$1"
}

silent ()
{
    is "$1: without a word" "$(cat "$tmp/stdout" "$tmp/stderr")" ''
}

# passes DESCRIPTION FILE ARGUMENT…
passes ()
{
    run_ok "$1" call "${@:2}"
    silent "$1"
}

domain '' >"$tmp/plain.xml"
domain '<about xmlns="urn:x">urn:gild:desktop:1</about>' >"$tmp/about.xml"
desktop ()
{
    echo "<gild:desktop xmlns:gild='urn:gild:desktop:1'><gild:disk target='vda' image='$1'/></gild:desktop>"
}
domain "$(desktop a/b)" >"$tmp/ours.xml"
domain "$(desktop A/b)" >"$tmp/bad.xml"
domain "$(desktop a/b)" /srv/vda.qcow2 >"$tmp/elsewhere.xml"
echo 'urn:gild:desktop:1' >"$tmp/broken.xml"
{ cat "$tmp/ours.xml"; head -c 5M /dev/zero | tr '\0' ' '; } >"$tmp/large.xml"
: >"$tmp/empty.xml"

# What it refuses, and how libvirt's administrator reads of it.
refused ()
{
    run_fails "$1" 1 "^gild: .*$2" call "${@:3}"
    is "$1: one line" "$(wc -l <"$tmp/stderr")" 1
    is "$1: nothing on stdout, where libvirt would take it for XML" "$(cat "$tmp/stdout")" ''
}
run_fails 'no arguments' 2 '^gild: ' call empty.xml
refused 'a bad image' "disk vda: 'A/b' is not an image" bad.xml pc1 prepare begin -
refused 'a source that is not ours' "'/srv/vda.qcow2'" elsewhere.xml pc1 prepare begin -
refused 'XML that is none' 'cannot be read' broken.xml pc1 prepare begin -
refused 'XML that is too large' '4 MiB' large.xml pc1 prepare begin -
refused 'the XML of another domain' 'pc2 .*pc1' ours.xml pc2 prepare begin -
refused 'a desktop that was saved' 'virsh start --force-boot pc1' ours.xml pc1 restore begin -
refused 'a desktop that was saved, whatever its metadata' 'force-boot' bad.xml pc1 restore begin -
refused 'a desktop of another host' 'virsh start pc1' ours.xml pc1 migrate begin -

# What is none of its business.
for file in plain.xml about.xml empty.xml; do
    for operation in 'prepare begin' 'restore begin' 'migrate begin' 'release end'; do
        # shellcheck disable=SC2086
        passes "$operation of $file" "$file" not-a-desktop $operation -
    done
done
for operation in 'start begin' 'started begin' 'stopped end' 'reconnect begin' 'attach begin' \
    'prepare end' 'release begin' 'future begin'; do
    # shellcheck disable=SC2086
    passes "$operation of a desktop" ours.xml pc1 $operation -
done
passes 'the end of a domain with a name that no desktop has' plain.xml '../..' release end -

# libvirt must be able to write all of the XML, whatever becomes of it.
drained ()
{
    head -c 20M /dev/zero | "$hook" pc1 "$@" -
}
run_ok 'stdin is read to its end' drained reconnect begin
run_ok 'stdin is read to its end, however long it is' drained prepare begin

done_testing
