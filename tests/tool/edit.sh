#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild edit: what is published, what is not, and what COMMAND can do wrong. (tests/system/edit.sh has what needs root.)
. "$(dirname "$0")/lib.sh"
needs jq nbdinfo nbdkit qemu-img qemu-io

readonly MIB=$((1024 * 1024))

# GILD_DISK and its like are for COMMAND's shell, so:
# shellcheck disable=SC2016

start_nbdkit ()
{
    rm -f "$run/nbd.sock"
    "$(PATH=$PATH:/usr/sbin type -P nbdkit)" --foreground --readonly --unix "$run/nbd.sock" \
        "${GILD_NBDKIT_PLUGIN:?}" 2>>"$tmp/nbdkit.log" &
    stop_at_exit $!
    wait_for 20 test -S "$run/nbd.sock" || { diag_file "$tmp/nbdkit.log"; exit 1; }
}

# edit [OPTION…] -- COMMAND: of a/disk.
edit ()
{
    gild edit a/disk "$@"
}

# write PATTERN OFFSET LENGTH…: as a COMMAND, by qemu-io.
write ()
{
    local commands=()
    while [ $# -ge 3 ]; do
        commands+=(-c "write -P $1 $2 $3")
        shift 3
    done
    qemu-io -f "$GILD_FORMAT" "${commands[@]}" "$GILD_DISK"
}
export -f write

versions ()
{
    gild images a/disk --json | jq -c '[.images[].version] | sort'
}

production ()
{
    gild images a/disk --json | jq '.images[] | select(.channels | index("production")).version'
}

# nothing_done DESCRIPTION: no version, no litter.
nothing_done ()
{
    is "$1: production stays" "$(production)" "$before"
    is "$1: no copy is left" "$(ls "$state/edit")" ''
}

# edit_fails DESCRIPTION STATUS REGEX OPTION…: and nothing is published.
edit_fails ()
{
    local before description=$1
    before=$(production)
    run_fails "$1" "$2" "$3" gild edit a/disk "${@:4}"
    nothing_done "$description"
}

# same_as DESCRIPTION VERSION FILE: the version has the bytes of the raw FILE.
same_as ()
{
    rm -f "$tmp/exported.qcow2"
    gild export "a/disk@$2" "$tmp/exported.qcow2" >/dev/null
    same_disk "$1" qcow2 "$tmp/exported.qcow2" raw "$3"
}

test_publishes_what_changed ()
{
    run_ok 'an edit' gild edit a/disk --note why --json -- bash -c 'write 7 1M 4k 8 2097151 2; echo hello'
    is 'its version' "$(jq -c '[.image, .version, .parent]' "$tmp/stdout")" '["a/disk",2,1]'
    is 'only the chunks that were written are new' "$(jq .new_chunks "$tmp/stdout")" 3
    like 'what COMMAND says is not among it' "$(cat "$tmp/stderr")" '^hello$'
    cp "$tmp/disk.raw" "$tmp/edited.raw"
    qemu-io -f raw -c 'write -P 7 1M 4k' -c 'write -P 8 2097151 2' "$tmp/edited.raw" >/dev/null
    same_as 'the version is the old one, changed' 2 "$tmp/edited.raw"
    same_as 'the old one is as it was' 1 "$tmp/disk.raw"
    is 'its note' "$(gild images a/disk --json | jq -r '.images[] | select(.version == 2).note')" why
    is 'production is the new one' "$(production)" 2
    is 'no copy is left' "$(ls "$state/edit")" ''
    run_ok 'verify' gild verify
}

test_zeros ()
{
    run_ok 'zeros and discards' edit -- bash -c \
        'qemu-io -f qcow2 -d unmap -c "write -z 0 128k" -c "discard 320k 448k" -c "write -P 9 3M 64k" -c "write -P 0 3M 64k" "$GILD_DISK"'
    qemu-io -f raw -c 'write -P 0 0 128k' -c 'write -P 0 320k 448k' -c 'write -P 0 3M 64k' "$tmp/edited.raw" >/dev/null
    same_as 'are in the version' "$(production)" "$tmp/edited.raw"
}

test_unchanged ()
{
    local before
    before=$(versions)
    run_ok 'an edit that changes nothing' edit --json -- true
    is 'it says so' "$(jq -c '[.version, .unchanged]' "$tmp/stdout")" '[null,true]'
    run_ok 'one that writes what is there' edit -- bash -c 'write 7 1M 4k; write 3 5M 4k; write 0 5M 4k'
    like 'it says so' "$(cat "$tmp/stdout")" 'is as it was'
    is 'there is no new version' "$(versions)" "$before"
}

test_nbd ()
{
    run_ok 'an edit by $GILD_NBD, while the disk is not locked' edit -- bash -c \
        'qemu-img info -f qcow2 "$GILD_DISK" && qemu-io -f raw -c "write -P 5 5M 4k" "$GILD_NBD" &&
            qemu-io -f raw -c "read -P 5 5M 4k" "$GILD_NBD" && write 6 6M 4k &&
            qemu-io -f raw -c "read -P 6 6M 4k" "$GILD_NBD"'
    qemu-io -f raw -c 'write -P 5 5M 4k' -c 'write -P 6 6M 4k' "$tmp/edited.raw" >/dev/null
    same_as 'both have written' "$(production)" "$tmp/edited.raw"
    edit_fails 'a disk that is in use is not served' 9 'GILD_NBD cannot be served.*another process' -- bash -c \
        'exec 3> >(qemu-io -f qcow2 "$GILD_DISK" >/dev/null); sleep 1; echo "read 0 1" >&3; sleep 1
            nbdinfo "$GILD_NBD" || exit 9'
}

test_grown_and_shrunk ()
{
    run_ok 'a disk that was grown' edit -- bash -c 'qemu-img resize -q -f qcow2 "$GILD_DISK" 9M && write 3 8900k 4k'
    truncate -s 9M "$tmp/edited.raw"
    qemu-io -f raw -c 'write -P 3 8900k 4k' "$tmp/edited.raw" >/dev/null
    same_as 'is published so' "$(production)" "$tmp/edited.raw"
    edit_fails 'a disk that was shrunk' 1 'has shrunk from 9437184 to 8388608 bytes.*gild publish' -- \
        bash -c 'qemu-img resize -q --shrink -f qcow2 "$GILD_DISK" 8M'
}

test_command_goes_wrong ()
{
    edit_fails 'COMMAND fails' 7 'ended with status 7; nothing' -- bash -c 'write 1 0 4k; exit 7'
    run gild edit a/disk --json -- false
    is 'for programs' "$status $(jq -c '[.version, .status]' "$tmp/stdout")" '1 [null,1]'
    edit_fails 'COMMAND is not there' 127 'cannot run /no/such/program: No such' -- /no/such/program
    edit_fails 'COMMAND is not a program' 126 'cannot run /etc: Permission denied' -- /etc
    edit_fails 'COMMAND is killed' 137 'status 137' -- bash -c 'kill -KILL $$'
    edit_fails 'COMMAND hangs' 1 'took longer than --timeout, 1 s' --timeout 1s -- bash -c 'trap "" TERM; sleep 100 & sleep 100'
    edit_fails 'COMMAND deletes the disk' 1 'disk.qcow2.*No such file' -- bash -c 'rm "$GILD_DISK"'
    edit_fails 'COMMAND destroys it' 1 'disk.qcow2: .*not a|header|qcow2' -- bash -c 'head -c 1M /dev/urandom >"$GILD_DISK"'
    edit_fails 'COMMAND makes it raw' 1 'disk.qcow2: ' -- bash -c 'truncate -s 8M "$GILD_DISK.raw"; mv "$GILD_DISK.raw" "$GILD_DISK"'
}

test_foreign_backing_file ()
{
    echo secret >"$tmp/secret"
    truncate -s 8M "$tmp/secret"
    edit_fails 'another backing file' 1 "is not the overlay any more.*$tmp/secret" -- \
        bash -c 'rm "$GILD_DISK"; qemu-img create -q -f qcow2 -F raw -b "$1" "$GILD_DISK" 8M' - "$tmp/secret"
    edit_fails 'another version below' 1 'is not the overlay any more' -- \
        bash -c 'qemu-img rebase -u -F raw -b "nbd+unix:///a/disk@1?socket=$1" "$GILD_DISK" && write 1 1M 4k' - "$run/nbd.sock"
    edit_fails 'none below' 1 'its backing file is now none' -- \
        bash -c 'rm "$GILD_DISK"; qemu-img create -q -f qcow2 "$GILD_DISK" 8M'
}

# The process that wrote its number to $tmp/pid.
is_gone ()
{
    ! kill -0 "$(cat "$tmp/pid")" 2>/dev/null
}

test_leaves_processes ()
{
    run_ok 'COMMAND leaves processes' edit -- bash -c \
        'setsid bash -c "trap \"\" TERM; echo \$\$ >$1; exec -a left sleep 1000" >/dev/null 2>&1 & write 4 4M 4k; until [ -s "$1" ]; do sleep 0.1; done' - "$tmp/pid"
    like 'they are named' "$(cat "$tmp/stderr")" "ending what COMMAND has left running: .*sleep \(process $(cat "$tmp/pid")\)"
    run_ok 'they are gone' is_gone
    qemu-io -f raw -c 'write -P 4 4M 4k' "$tmp/edited.raw" >/dev/null
    same_as 'what was written is published' "$(production)" "$tmp/edited.raw"
}

test_held_by_others ()
{
    local before
    before=$(production)
    edit -- bash -c 'echo "$GILD_DISK" >"$1.new"; mv "$1.new" "$1"; until [ -e "$1.held" ]; do sleep 0.1; done' - "$tmp/path" \
        >"$tmp/stdout" 2>"$tmp/stderr" &
    local pid=$!
    wait_for 60 test -s "$tmp/path"
    mkfifo "$tmp/fifo"
    qemu-io -f qcow2 "$(cat "$tmp/path")" <"$tmp/fifo" >"$tmp/qemu-io.log" &
    exec 5>"$tmp/fifo"
    echo 'write 0 4k' >&5
    wait_for 60 grep -q wrote "$tmp/qemu-io.log"
    touch "$tmp/path.held"
    status=0
    wait "$pid" || status=$?
    exec 5>&-
    is 'somebody else has the disk open: refused' "$status" 1
    like 'and named' "$(cat "$tmp/stderr")" 'qemu-io \(process [0-9]+\) still has .*disk.qcow2 open'
    nothing_done 'somebody else has the disk open'
}

test_which_version ()
{
    local latest
    latest=$(production)
    edit_fails 'an older version' 1 "a/disk@1 is not in production any more, version $latest is.*--force" --from 1 -- true
    edit_fails 'a version that is not there' 1 'a/disk@99' --from 99 --force -- true
    run_fails 'an image that is not there' 1 'a/none' gild edit a/none -- true
    run_ok 'an older version with --force' edit --from 1 --force --json -- bash -c 'write 1 1M 4k'
    is 'its parent' "$(jq .parent "$tmp/stdout")" 1
    run_ok 'into a new channel: of production' edit --channel test --json -- bash -c 'write 2 2M 4k'
    is 'its parent' "$(jq .parent "$tmp/stdout")" "$((latest + 1))"
    is 'production stays' "$(production)" "$((latest + 1))"
    run_ok 'into that channel: of what it names' edit --channel test --json -- bash -c 'write 2 3M 4k'
    is 'its parent' "$(jq .parent "$tmp/stdout")" "$((latest + 2))"
}

# Somebody publishes, edits and collects while an edit runs.
test_two_at_once ()
{
    local latest
    latest=$(production)
    run_fails 'an edit within an edit: the second to end' 1 "production of a/disk names version $((latest + 3)) by now, not $latest.*--force" \
        edit -- bash -c 'gild edit a/disk -- bash -c "write 1 0 4k" && write 2 4k 4k'
    is 'the first one has published' "$(production)" "$((latest + 3))"
    run_ok 'gc in an edit leaves what is edited' edit --from "$((latest + 3))" --force -- bash -c \
        'gild publish a/disk "$1" && gild publish a/disk "$1" && gild gc --keep 1 && write 3 4k 4k' - "$tmp/disk.raw"
    run_ok 'all of it is there' gild verify
    unlike 'gc has not taken the copy' "$(cat "$tmp/stderr")" .
}

test_killed ()
{
    local before how
    before=$(production)
    for how in KILL TERM INT; do
        rm -f "$tmp/started"
        env --default-signal=INT gild edit a/disk -- bash -c 'write 1 1M 64k; touch "$1"; exec sleep 1000' - "$tmp/started" >"$tmp/stdout" 2>"$tmp/stderr" &
        local pid=$!
        wait_for 60 test -e "$tmp/started"
        kill -"$how" "$pid"
        status=0
        wait "$pid" || status=$?
        is "SIG$how: production stays" "$(production)" "$before"
        if [ "$how" = KILL ]; then
            like 'SIGKILL leaves the copy' "$(ls "$state/edit")" '^edit-'
            run_ok 'gc takes it' gild gc
        else
            is "SIG$how: its status" "$status" 1
            like "SIG$how: it says so" "$(cat "$tmp/stderr")" 'interrupted; nothing was published'
        fi
        is "SIG$how: no copy is left" "$(ls "$state/edit")" ''
        run_ok "SIG$how: the next edit" edit -- bash -c 'write 1 1M 4k; write 2 1M 4k'
        before=$(production)
    done
}

test_refusals ()
{
    run_fails 'no COMMAND: a VM' 1 'only root can start a VM' gild edit a/disk --yes
    run_fails 'no COMMAND behind --' 1 'only root can start a VM' gild edit a/disk --yes --
    run_fails 'a shell, and nobody to ask' 1 'no terminal.*--yes' setsid --wait gild edit a/disk --mount "$tmp"
    run_fails 'options of the VM and COMMAND' 2 'neither COMMAND nor --mount' gild edit a/disk --template linux -- true
    run_fails 'a bad image' 2 'is not an image' gild edit ../a -- true
    run_fails 'a bad channel' 2 'channel' gild edit a/disk --channel 'a b' -- true
    run_fails 'a bad version' 2 '' gild edit a/disk --from x -- true
    run_fails 'a bad time' 2 "'2x' is not a time" gild edit a/disk --timeout 2x -- true
    run_fails 'no time at all' 2 'is not a time' gild edit a/disk --timeout 0 -- true
}

new_site
make_raw "$tmp/disk.raw" $((8 * MIB + 512))
publish a/disk "$tmp/disk.raw"
test_refusals
start_nbdkit
test_publishes_what_changed
test_zeros
test_unchanged
test_nbd
test_command_goes_wrong
test_foreign_backing_file
test_leaves_processes
test_held_by_others
test_grown_and_shrunk
test_which_version
test_two_at_once
test_killed
done_testing
