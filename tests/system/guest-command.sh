#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest-command, a script for nights: a real Debian is booted from the copy, its agent runs a program, and what that
# has changed is published; or else nothing is, and no guest stays.
. "$(dirname "$0")/lib.sh"
needs jq
golden=$srcdir/demo/cache/debian-minimal.qcow2
[ -e "$golden" ] || skip_all "there is no $golden: make it with demo/debian-image --minimal"
host_up
readonly COMMAND=/usr/share/gild/nightly/guest-command

# edit OPTION…: have guest-command change Debian. A function, as what boots may take longer than `run` waits.
edit ()
{
    timeout --foreground 1500 gild edit demo/debian -- "$COMMAND" --memory 768 --boot-wait "$(patient 200)" "$@"
}

versions ()
{
    gild images demo/debian --json | jq -c '[.images[].version]'
}

leaves_no_guest ()
{
    is "$1" "$(virsh list --all --name | grep gild-edit)$(pgrep -x virsh)" ''
}

test_refusals ()
{
    run_fails 'no program' 2 'usage: guest-command' "$COMMAND"
    run_fails 'an option that is not there' 2 'usage: guest-command' "$COMMAND" --none x
    run_fails 'no number' 1 'take numbers' env GILD_DISK=/x "$COMMAND" --memory '1<' x
    run_fails 'no bus' 1 'bus' env GILD_DISK=/x "$COMMAND" --bus "'" x
    run_fails 'no input' 1 '/nonexistent cannot be read' "$COMMAND" --input /nonexistent x
    head -c 65537 /dev/zero >"$tmp/large"
    run_fails 'too much of it' 1 "$tmp/large is larger" "$COMMAND" --input "$tmp/large" x
    run_fails 'outside of gild edit' 1 'for gild edit' env -u GILD_DISK "$COMMAND" x
    run_fails 'a guest whose agent does not answer in time' 1 'no guest agent answers within 2 s: .*--boot-wait' \
        edit --boot-wait 2 true
    run_fails 'one that takes longer than its edit may' 1 '--timeout' \
        gild edit demo/debian --timeout 10s -- "$COMMAND" --memory 768 true
    is 'nothing is published of that' "$(versions)" '[1]'
    leaves_no_guest 'no guest stays of that'
}

# What fails in the guest fails here, after a boot.
test_fails ()
{
    run_fails 'a program that fails' 7 'ended with status 7; nothing was published' \
        edit -- sh -c 'printf "out\033[1m \"%s\"\n" "$1"; echo err >&2; echo 1 >/etc/failed; exit 7' - $'a "b"\\\t$c'
    like 'what it says is printed, and does nothing to a terminal' "$(cat "$tmp/stdout")" $'^out\\[1m "a "b"\\\\\t\\$c"$'
    like 'on its own stream' "$(cat "$tmp/stderr")" '^err$'
    unlike 'nothing had to be ended behind it' "$(cat "$tmp/stderr")" 'left running'
    is 'nothing is published' "$(versions)" '[1]'
    leaves_no_guest 'no guest stays'
}

test_changes ()
{
    printf 'echo changed >/etc/changed\nrm /usr/share/doc/bash/copyright\n' >"$tmp/input"
    run_ok 'a program that has its orders from here' edit --input "$tmp/input" sh -e
    is 'there is a new version' "$(versions)" '[1,2]'
    [ -c /dev/fuse ] && [ -b /dev/loop0 ] || { skip 'this kernel has no FUSE or no loop devices' 'what is in it'; return 0; }
    gild diff --files demo/debian@1 2 >"$tmp/files"
    is 'with what it changed' "$(grep -E ' /etc/changed$|/bash/copyright$' "$tmp/files")" \
        $'A /etc/changed\nD /usr/share/doc/bash/copyright'
    diag "beside that the boot has changed: $(grep -cvE ' /etc/changed$|/bash/copyright$' "$tmp/files") files"
    leaves_no_guest 'no guest stays'
}

run_ok 'publish Debian' gild publish demo/debian "$golden"
test_refusals
test_fails
test_changes
done_testing
