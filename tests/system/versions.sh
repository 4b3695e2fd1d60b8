#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Versions: two desktops on one image, a pinned one, and a new version that comes while they run.
. "$(dirname "$0")/lib.sh"
needs jq
host_up

# golden VERSION: the golden image with a file that says so.
golden ()
{
    mkdir -p "$tmp/tree"
    echo "version $1" >"$tmp/tree/version"
    head -c 2M /dev/urandom >"$tmp/tree/random"
    rm -f "$tmp/golden.raw"
    truncate -s 64M "$tmp/golden.raw"
    mke2fs -q -F -t ext4 -d "$tmp/tree" "$tmp/golden.raw"
}

booted ()
{
    jq -r '.disks[] | "\(.image)@\(.version)"' "$run/desktops/$1.json" | tr '\n' ' '
}

# versions: those that there are.
versions ()
{
    find /var/lib/gild/images/demo/desktop -name '[0-9]*.json.sig' -printf '%f\n' | sed 's/\..*//' | sort -n | tr '\n' ' '
}

golden 1
run_ok 'version 1' gild publish demo/desktop "$tmp/golden.raw"
template "target='vda' image='demo/desktop'" >"$tmp/template.xml"
template "target='vda' image='demo/desktop' version='1'" >"$tmp/pinned.xml"
template "target='vda' image='demo/desktop' channel='test'" >"$tmp/test.xml"
define pc1 "$tmp/template.xml"
define pc2 "$tmp/template.xml"
define pinned "$tmp/pinned.xml"
define tester "$tmp/test.xml"
run_ok 'start one' virsh start pc1
run_ok 'start another on the same image' virsh start pc2
guest_up pc1
guest_up pc2
guest_run pc1 'echo one >/mnt/vda/whose; sync'
guest_run pc2 'echo two >/mnt/vda/whose; sync; echo 3 >/proc/sys/vm/drop_caches'
is 'each has its own file' "$(guest_run pc1 'echo 3 >/proc/sys/vm/drop_caches; cat /mnt/vda/whose') $(guest_run pc2 'cat /mnt/vda/whose')" 'one two'
is 'gild desktops has both' "$(gild desktops --json | jq -r '[.desktops[].name] | sort | join (" ")')" 'pc1 pc2 pinned tester'

golden 2
run_ok 'version 2, while they run' gild publish demo/desktop "$tmp/golden.raw"
golden 3
run_ok 'version 3, for the testers' gild publish demo/desktop "$tmp/golden.raw" --channel test
run_ok 'gc' gild gc --keep 1
is 'keeps what runs, what is newest and what channels name' "$(versions)" '1 2 3 '
is 'a running desktop keeps its version' "$(guest_run pc1 'echo 3 >/proc/sys/vm/drop_caches; cat /mnt/vda/version')" 'version 1'
run_ok 'and reads all of it' guest_run pc1 'cat /mnt/vda/random >/dev/null'
virsh -q destroy pc2
guest_forget pc2
run_ok 'the next start' virsh start pc2
guest_up pc2
is 'has the new version' "$(guest_run pc2 'cat /mnt/vda/version')" 'version 2'
is 'and its pin says so' "$(booted pc2)" 'demo/desktop@2 '
run_ok 'start the pinned one' virsh start pinned
guest_up pinned
is 'it has its version' "$(guest_run pinned 'cat /mnt/vda/version')" 'version 1'
run_ok 'start the tester' virsh start tester
guest_up tester
is 'it has its channel'\''s' "$(guest_run tester 'cat /mnt/vda/version')" 'version 3'
for name in pc1 pc2 pinned tester; do
    virsh -q destroy "$name"
    guest_forget "$name"
done
wait_for 10 is_clean tester || :

# Nothing runs: version 1 is needed by nobody but the definition of the pinned one, and goes.
run_ok 'gc when all are off' gild gc --keep 1
is 'leaves what the channels name' "$(versions)" '2 3 '
run_fails 'the pinned one does not start' 1 'demo/desktop@1' virsh start pinned
leaves_nothing 'and leaves nothing' pinned

# Two images, as an operating system and an application are.
golden app
run_ok 'another image' gild publish demo/erp "$tmp/golden.raw"
template "target='vda' image='demo/desktop'" "target='vdb' image='demo/erp'" >"$tmp/two.xml"
define two "$tmp/two.xml"
run_ok 'a desktop with two disks' virsh start two
guest_up two
is 'has both' "$(guest_run two 'cat /mnt/vda/version /mnt/vdb/version' | tr '\n' ' ')" 'version 2 version app '
is 'and pins both' "$(booted two)" 'demo/desktop@2 demo/erp@1 '
virsh -q destroy two
leaves_nothing 'and leaves nothing of both' two
done_testing
