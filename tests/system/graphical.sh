#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A graphical desktop comes up by itself: a picture of its screen shows it, and no black screen.
. "$(dirname "$0")/lib.sh"
# shellcheck source=demo/guest.sh
. "$srcdir/demo/guest.sh"
needs jq pnmtopng pngtopnm ppmhist
golden=$srcdir/demo/cache/debian-desktop.qcow2
[ -e "$golden" ] || skip_all "there is no $golden: make it with demo/debian-image"
host_up

readonly LIT_PERCENT=40 COLOURS=200

# colours FILE.png: how many different ones are in it.
colours ()
{
    pngtopnm "$1" | ppmhist -noheader -nomap 2>/dev/null | wc -l
}

screen_is_desktop ()
{
    screen_shows pc-graphical "$tmp/screen.png" "$LIT_PERCENT" && [ "$(colours "$tmp/screen.png")" -ge "$COLOURS" ]
}

run_ok 'publish Debian with XFCE' gild publish demo/desktop "$golden"
run_ok 'define a desktop from the installed template' gild define linux pc-graphical --image demo/desktop --virt-type qemu
virsh -q net-define /usr/share/libvirt/networks/default.xml >/dev/null 2>&1 || :
virsh -q net-start default >"$tmp/net.log" 2>&1 || diag_file "$tmp/net.log"
run_ok 'virsh start' virsh start pc-graphical
run_ok 'its agent answers' wait_for_guest 240 pc-graphical agent_answers pc-graphical
is 'its name is the desktop'\''s' "$(agent pc-graphical guest-get-host-name | jq -r '."host-name"')" pc-graphical
run_ok 'the panel runs' wait_for_guest 240 pc-graphical guest_has_process pc-graphical xfce4-panel
run_ok "the screen has $COLOURS colours, and $LIT_PERCENT % of it is not black" wait_for_guest 240 pc-graphical screen_is_desktop
diag "$(lit_percent "$tmp/screen.png") % is not black, $(colours "$tmp/screen.png") colours"
cp "$tmp/screen.png" "$build/tests/graphical.png"
run_ok 'it is captured while it runs' gild capture pc-graphical demo/captured --json
is 'its agent froze its file systems' "$(jq -r '.frozen' "$tmp/stdout")" true
diag "for $(jq '.frozen_ms' "$tmp/stdout") ms; in all $(jq '.seconds' "$tmp/stdout") s for $(($(jq '.new_size' "$tmp/stdout") >> 20)) MiB"
run_ok 'for less than 5 s, however busy this machine is' jq -e '.frozen_ms < 5000' "$tmp/stdout"
is 'and thawed them' "$(agent pc-graphical guest-fsfreeze-status | jq -r .)" thawed
run_ok 'off' virsh destroy pc-graphical
leaves_nothing 'nothing of it is left' pc-graphical
done_testing
