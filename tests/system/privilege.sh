#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who may do what: the hook and its children, gildd and nbdkit, and users of this PC who are none of these.
. "$(dirname "$0")/lib.sh"
needs curl nbdinfo pgrep setpriv
host_up

readonly HOOK=/etc/libvirt/hooks/qemu.d/gild NONE=0000000000000000
readonly DAC_OVERRIDE_AND_SYS_ADMIN=0000000000200002

# caps PROCESS SET: the capabilities that it has, as the kernel writes them.
caps ()
{
    awk -v set="$2:" '$1 == set { print $2 }' "/proc/$1/status"
}

waits_for_gildd ()
{
    [ "$(caps "$1" CapBnd)" = "$NONE" ] && [ "$(awk '/^State:/ { print $2 }' "/proc/$1/status")" = S ]
}

# While gildd is stopped the hook waits for its answer, and can be looked at. What its qemu-img may do, tells a
# script in qemu-img's place, which then becomes qemu-img.
test_hook ()
{
    local gildd hook set
    gildd=$(child_of gildd)
    cp -p /usr/bin/qemu-img "$tmp/qemu-img"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\ncat /proc/self/status >%s\nexec %s "$@"\n' "$tmp/qemu-img.status" "$tmp/qemu-img" >"$tmp/tells"
    chmod 755 "$tmp/tells"
    mount --bind "$tmp/tells" /usr/bin/qemu-img
    kill -STOP "$gildd"
    "$HOOK" pc1 prepare begin - <"$tmp/pc1.xml" 2>"$tmp/hook.log" &
    hook=$!
    run_ok 'the hook has an empty bounding set while it waits for gildd' wait_for 8 waits_for_gildd "$hook"
    for set in CapPrm CapEff; do
        is "of $set it has two capabilities" "$(caps "$hook" $set)" $DAC_OVERRIDE_AND_SYS_ADMIN
    done
    for set in CapInh CapAmb; do
        is "of $set it has none" "$(caps "$hook" $set)" $NONE
    done
    kill -CONT "$gildd"
    run_ok 'it does its work' wait "$hook"
    umount /usr/bin/qemu-img
    is 'its qemu-img has no capability of any kind' \
        "$(awk '/^Cap/ { print $2 }' "$tmp/qemu-img.status" | sort -u)" $NONE
    is 'and is root, whose the tmpfs is' "$(awk '/^Uid/ { print $2 }' "$tmp/qemu-img.status")" 0
    is 'nobody else may list that' "$(stat -c '%U:%G %a' "$run/desktops/pc1")" 'root:root 711'
    "$HOOK" pc1 release end - <"$tmp/pc1.xml"
}

# groups_of SERVICE: the numbers of its supplementary groups.
groups_of ()
{
    awk '/^Groups:/ { $1 = ""; print substr ($0, 2) }' "/proc/$(child_of "$1")/status"
}

test_services ()
{
    local service pid
    for service in gildd nbdkit; do
        pid=$(child_of $service)
        is "$service runs as gild" "$(ps -o user= -p "$pid")" gild
        is "$service has no capability" "$(caps "$pid" CapEff)" $NONE
    done
    is 'gildd is in the group that may use libvirtd' "$(groups_of gildd)" "$(getent group libvirt | cut -d : -f 3)"
    is 'nbdkit is not' "$(groups_of nbdkit)" ''
    run_ok 'somebody in it may' setpriv --reuid gild --regid gild --groups libvirt virsh list
    run_fails 'the user gild alone may not' 1 'Permission denied' setpriv --reuid gild --regid gild --clear-groups virsh list
}

# somebody COMMAND…: as a user who is neither root, gild nor QEMU's.
somebody ()
{
    setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps=-all --bounding-set=-all -- "$@"
}

# closed WHAT REGEX COMMAND…: root may, nobody may not, and is told so.
closed ()
{
    run_ok "root reads $1" "${@:3}"
    run "${@:3}"
    run somebody "${@:3}"
    if [ "$status" != 0 ] && grep -qE "$2" "$tmp/stderr"; then
        ok "another user does not"
    else
        not_ok "another user does not"
        diag_file "$tmp/stdout" "$tmp/stderr"
    fi
}

closed_file ()
{
    closed "$1" 'Permission denied' head -c 1 "$2"
}

test_others ()
{
    local denied='Permission denied|ould.*t connect'
    virsh -q start pc1
    install -d -m 0711 -o gild -g gild "$state/spill/pc1"
    run_ok 'it spills' virsh snapshot-create-as pc1 spill --disk-only --no-metadata --atomic \
        --diskspec "vda,snapshot=external,file=$state/spill/pc1/vda.qcow2"
    closed 'the image' "$denied" nbdinfo "nbd+unix:///demo/desktop@1?socket=$run/nbd.sock"
    closed "gildd's answers" "$denied" curl -sS --unix-socket "$run/gildd.sock" http://gild/status
    closed_file 'a chunk' "$(find "$state/store.castr" -name '*.cacnk' | head -n 1)"
    closed_file 'an index' "$state/images/demo/desktop/1.caibx"
    closed_file 'the signing key' "$state/site/site.sec"
    closed_file "the CA's key" "$state/site/ca-key.pem"
    closed_file 'the overlay in RAM' "$run/desktops/pc1/vda.qcow2"
    closed_file 'the overlay on the disk' "$state/spill/pc1/vda.qcow2"
    closed_file "the pins' lock" "$run/desktops/.lock"
    run_fails 'another user lists no spilled overlays' 2 'Permission denied' somebody ls "$state/spill"
    run_fails 'and asks libvirtd nothing' 1 'Permission denied' somebody virsh -c qemu:///system list
    run_fails 'and sweeps nothing' 1 'only root can sweep' somebody "$HOOK" --sweep
    virsh -q destroy pc1
    leaves_nothing 'nothing of it is left' pc1
    is 'nor of what it spilled' "$(ls "$state/spill")" ''
}

publish_golden ()
{
    gild publish demo/desktop "$guest_files/golden.qcow2" >/dev/null 2>&1
    desktop_attributes="overlay='64MiB'" template "target='vda' image='demo/desktop'" >"$tmp/template.xml"
    define pc1 "$tmp/template.xml"
    virsh dumpxml --inactive pc1 >"$tmp/pc1.xml"
}

# as_gild COMMAND…: as gildd and nbdkit are.
as_gild ()
{
    setpriv --reuid gild --regid gild --clear-groups -- "$@"
}

# gild adds what it heard of the site beside the keys, and changes none of them.
test_site ()
{
    local file
    is 'the site is root'\''s, and gild adds to it' "$(stat -c '%U:%G %a' "$state/site")" 'root:gild 1775'
    run_fails 'gild does not read the signing key' 1 'Permission denied' as_gild head -c 1 "$state/site/site.sec"
    for file in site.pub site.sec ca.pem site.json; do
        run_fails "gild does not replace $file" 1 'Operation not permitted' as_gild mv -f "$state/site/host.pem" "$state/site/$file"
        run_fails "nor remove it" 1 'Operation not permitted' as_gild rm -f "$state/site/$file"
    done
    run_ok 'it writes the list of removed hosts' as_gild touch "$state/site/crl.pem"
    rm "$state/site/crl.pem"
    echo 'long enough' >"$tmp/phrase"
    run_ok 'root exports the keys' gild key export "$tmp/site.key" --passphrase-file="$tmp/phrase"
    rm -r "$state/site/hosts" "$state/site/ca-key.pem"
    run_ok 'and imports them' gild key import "$tmp/site.key" --passphrase-file="$tmp/phrase"
    is 'what is gild'\''s is gild'\''s' \
        "$(cd "$state/site" && stat -c '%U %a' ca-key.pem hosts hosts/*.pem host-key.pem | sort -u | tr '\n' ' ')" \
        'gild 600 gild 644 gild 700 '
    is 'and the signing key root'\''s' "$(stat -c '%U %a' "$state/site/site.sec")" 'root 600'
}

publish_golden
test_site
test_hook
test_services
test_others
done_testing
