#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The hook is killed at any of its system calls: the desktop starts again at once, and a sweep takes what is left.
#
# TORTURE_COUNT is how many of these calls are tried, spread over prepare and release; without it 30. All of them
# are some 250.
. "$(dirname "$0")/lib.sh"
needs jq strace flock pgrep
host_up

readonly HOOK=/etc/libvirt/hooks/qemu.d/gild
readonly count=${TORTURE_COUNT:-30}
# What these do nobody outside of the process can see.
readonly UNSEEN='brk|futex|geteuid|getrandom|gettid|mmap|mprotect|munmap|rt_sig.*|sched_.*|sysinfo'

prepare ()
{
    "$HOOK" "$1" prepare begin - <"$tmp/$1.xml"
}

release ()
{
    "$HOOK" "$1" release end - <"$tmp/$1.xml"
}

# spill_directory NAME: as gildd makes it.
spill_directory ()
{
    install -d -m 0711 -o gild -g gild "$state/spill/$1"
}

# spill NAME: as if it had spilled.
spill ()
{
    spill_directory "$1"
    qemu-img create -q -f qcow2 "$state/spill/$1/vda.qcow2" 64M
}

# age: all that there is of desktops is older than what the sweep leaves alone.
age ()
{
    find "$run/desktops" "$state/spill" -mindepth 1 ! -name .lock -exec touch -h -d '2 minutes ago' {} +
}

# left: what there is of desktops, in one line.
left ()
{
    {
        find "$run/desktops" "$state/spill" -mindepth 1 ! -name .lock
        grep " $run/desktops/" /proc/self/mountinfo | cut -d ' ' -f 5 | sed 's/^/mount /'
    } | sort | tr '\n' ' '
}

starts ()
{
    virsh -q start "$1" >"$tmp/start.log" 2>&1 && virsh -q destroy "$1" >>"$tmp/start.log" 2>&1 &&
        wait_for 10 is_clean "$1"
}

# points: "SYSTEM-CALL N" for each call of the hook that $tmp/trace has, from when it begins its work.
points ()
{
    awk -F '(' -v unseen="^($UNSEEN)$" '/^[a-z]/ {
        calls[$1]++
        if (working && $1 !~ unseen)
            print $1, calls[$1]
        working = working || $1 == "umask"
    }' "$tmp/trace"
}

# chosen N: N of the lines on stdin, spread, the last one among them.
chosen ()
{
    awk -v wanted="$1" '{ line[NR] = $0 }
        END { for (i = 1; i <= NR; i++) if (wanted >= NR || int (i * wanted / NR) > int ((i - 1) * wanted / NR)) print line[i] }'
}

sub_operation ()
{
    [ "$1" = prepare ] && echo begin || echo end
}

# killed_at CALL N prepare|release: the hook is killed when it is about to make its Nth CALL.
killed_at ()
{
    local result=0
    {
        strace -qq -o /dev/null -e trace="$1" -e inject="$1:signal=KILL:when=$2" \
            "$HOOK" pc1 "$3" "$(sub_operation "$3")" - <"$tmp/pc1.xml" || result=$?
    } >"$tmp/killed.log" 2>&1
    [ "$result" != 137 ] || kills=$((kills + 1))
}

# A qemu-img that the hook started ends by itself.
no_child ()
{
    ! pgrep -x qemu-img
}

# before prepare|release: what there is when the hook is called. A crash before it has left its own.
before ()
{
    prepare pc1
    mount -t tmpfs gild-again "$run/desktops/pc1"
    spill pc1
    [ "$1" = release ] || age
}

# kill_everywhere prepare|release: at each point, twice: then it is started, and then it is swept.
kill_everywhere ()
{
    local call n tried=0 wrong=''
    kills=0
    before "$1"
    strace -o "$tmp/trace" "$HOOK" pc1 "$1" "$(sub_operation "$1")" - <"$tmp/pc1.xml"
    release pc1
    while read -r call n; do
        tried=$((tried + 1))
        before "$1"
        killed_at "$call" "$n" "$1"
        starts pc1 || wrong+=" killed at $call $n, it does not start: $(tail -n 1 "$tmp/start.log");"
        [ -z "$(left)" ] || wrong+=" killed at $call $n and started, it leaves $(left);"
        before "$1"
        killed_at "$call" "$n" "$1"
        wait_for 10 no_child
        age
        "$HOOK" --sweep || wrong+=" killed at $call $n, the sweep fails;"
        [ -z "$(left)" ] || wrong+=" killed at $call $n, the sweep leaves $(left);"
    done < <(points | chosen $((count / 2)))
    is "killed at $tried of $(points | wc -l) calls in $1, it starts again and leaves nothing" "${wrong:0:2000}" ''
    # Threads make one call more or less from time to time.
    run_ok "and it was killed ($kills of $((2 * tried)))" test "$tried" -gt 3 -a "$kills" -gt $((2 * tried * 3 / 4))
    all_kills=$((all_kills + kills))
}

# before_keep: a desktop that has spilled and is to be kept has ended. Nothing of it was kept before.
before_keep ()
{
    rm -rf "$state/kept/pc1"
    prepare pc1
    spill pc1
    head -c 300000 /dev/urandom >"$run/desktops/pc1/vda.qcow2"
    head -c 300000 /dev/urandom >"$state/spill/pc1/vda.qcow2"
    jq '.keep = true' "$run/desktops/pc1.json" >"$tmp/pin"
    cat "$tmp/pin" >"$run/desktops/pc1.json"
    cat "$run/desktops/pc1/vda.qcow2" "$state/spill/pc1/vda.qcow2" >"$tmp/written"
}

# is_kept: all of it, and nothing else.
is_kept ()
{
    [ "$(ls -A "$state/kept" "$state/kept/pc1" | tr '\n' ' ')" = \
        "$state/kept: .lock pc1  $state/kept/pc1: pin.json vda.0.qcow2 vda.1.qcow2 " ] &&
        cat "$state"/kept/pc1/vda.[01].qcow2 | cmp -s - "$tmp/written"
}

# Killed anywhere while it keeps, the next start or the next sweep keeps all of it.
keep_everywhere ()
{
    local call n tried=0 wrong=''
    kills=0
    before_keep
    strace -o "$tmp/trace" "$HOOK" pc1 release end - <"$tmp/pc1.xml"
    run_ok 'what is to be kept is kept' is_kept
    is 'and nothing else is left' "$(left)" ''
    while read -r call n; do
        tried=$((tried + 1))
        before_keep
        killed_at "$call" "$n" release
        starts pc1 || wrong+=" killed at $call $n, it does not start: $(tail -n 1 "$tmp/start.log");"
        is_kept || wrong+=" killed at $call $n and started, kept is $(ls -A "$state/kept" "$state/kept/pc1" 2>&1);"
        [ -z "$(left)" ] || wrong+=" killed at $call $n and started, it leaves $(left);"
        before_keep
        killed_at "$call" "$n" release
        age
        "$HOOK" --sweep || wrong+=" killed at $call $n, the sweep fails;"
        is_kept || wrong+=" killed at $call $n and swept, kept is $(ls -A "$state/kept" "$state/kept/pc1" 2>&1);"
        [ -z "$(left)" ] || wrong+=" killed at $call $n, the sweep leaves $(left);"
    done < <(points | chosen $((count / 2)))
    is "killed at $tried of $(points | wc -l) calls while it keeps, all of it is kept by who comes next" "${wrong:0:2000}" ''
    run_ok "and it was killed ($kills of $((2 * tried)))" test "$tried" -gt 3 -a "$kills" -gt $((2 * tried * 3 / 4))
    all_kills=$((all_kills + kills))
    rm -rf "$state/kept/pc1"
    mkdir "$state/kept/pc1"
    touch "$state/kept/pc1/vda.0.qcow2"
    run_ok 'a sweep' "$HOOK" --sweep
    run_ok 'takes what is not whole and nobody will finish' test ! -e "$state/kept/pc1"
}

# swept DESCRIPTION LEFT: a sweep leaves only that.
swept ()
{
    run_ok "$1: a sweep" "$HOOK" --sweep
    is "$1" "$(left)" "$2"
}

test_remains ()
{
    local gone=$run/desktops/gone
    spill pc1
    prepare pc1
    swept 'what is younger than a minute stays' \
        "$run/desktops/pc1 $run/desktops/pc1.json $run/desktops/pc1/vda.qcow2 mount $run/desktops/pc1 "
    touch -d '2 minutes ago' "$run/desktops/pc1"
    run_ok 'it stays as long as its pin is young' "$HOOK" --sweep
    run_ok 'with its files' test -e "$run/desktops/pc1/vda.qcow2"
    age
    exec 7<"$run/desktops/.lock"
    flock 7
    run_ok 'while somebody decides what is pinned' "$HOOK" --sweep
    run_ok 'nothing goes' test -e "$run/desktops/pc1/vda.qcow2"
    exec 7<&-
    swept 'a prepared desktop that never started' ''

    install -d "$gone"
    age
    swept 'a directory without a mount' ''
    install -d "$gone"
    mount -t tmpfs one "$gone"
    mount -t tmpfs two "$gone"
    mount -t tmpfs three "$gone"
    age
    swept 'a directory that is mounted three times' ''
    echo '{}' >"$gone.json"
    age
    swept 'a pin' ''
    echo '{}' >"$gone.json.AbCdEf"
    age
    swept 'a pin that was being written' ''
    spill gone
    age
    swept 'what was spilled' ''
    ln -s "$tmp" "$gone"
    ln -s "$tmp" "$state/spill/gone"
    age
    swept 'links to elsewhere' ''
    run_ok 'are not followed' test -e "$tmp/pc1.xml"
    mkdir "$run/desktops/.hidden" "$state/spill/not a desktop"
    age
    swept 'what no desktop is called stays' "$run/desktops/.hidden $state/spill/not a desktop "
    rmdir "$run/desktops/.hidden" "$state/spill/not a desktop"
    install -d "$gone/deep"
    spill other
    age
    run_fails 'what cannot go is told of' 1 "$gone, remove it by hand" "$HOOK" --sweep
    is 'and the rest goes' "$(left)" "$gone $gone/deep "
    run_ok 'a desktop starts all the same' starts pc1
    rm -r "$gone"
}

holds ()
{
    age
    "$HOOK" --sweep
    release pc2 # of another desktop: it sweeps too
    test -e "$run/desktops/pc1/vda.qcow2" -a -e "$run/desktops/pc1.json" && mountpoint -q "$run/desktops/pc1"
}

test_running ()
{
    run_ok 'a desktop runs' virsh start pc1
    run_ok 'a sweep leaves it' holds
    run_ok 'it is paused' virsh suspend pc1
    run_ok 'a sweep leaves it' holds
    spill_directory pc1
    run_ok 'it spills' virsh snapshot-create-as pc1 spill --disk-only --no-metadata --atomic \
        --diskspec "vda,snapshot=external,file=$state/spill/pc1/vda.qcow2"
    run_ok 'a sweep leaves it' holds
    run_ok 'with what it spilled' test -e "$state/spill/pc1/vda.qcow2"
    virsh -q resume pc1
    run_ok 'it still runs' test "$(virsh domstate pc1)" = running

    # The host's libvirtd and the desktop go at the same time: nobody calls the hook with "release".
    kill -KILL "$libvirtd_pid"
    wait_for 10 has_ended "$libvirtd_pid"
    kill -KILL "$(cat /run/libvirt/qemu/pc1.pid)"
    wait_for 10 has_ended "$(cat /run/libvirt/qemu/pc1.pid)"
    age
    run_ok 'QEMU and libvirtd are gone: another desktop is prepared' prepare pc2
    is 'and only that is there' "$(left)" \
        "$run/desktops/pc2 $run/desktops/pc2.json $run/desktops/pc2/vda.qcow2 mount $run/desktops/pc2 "
    age
    spill pc1
    age
    gild-services stop
    gild-services start
    is 'gild-services start sweeps' "$(left)" ''
    start_libvirtd
    wait_for 10 is_off pc1
    virsh -q define "$tmp/pc1.xml" >/dev/null # the snapshot put its own file into the definition
    run_ok 'and it starts again' starts pc1
}

publish_golden ()
{
    local name
    gild publish demo/desktop "$guest_files/golden.qcow2" >/dev/null 2>&1
    desktop_attributes="overlay='64MiB'" template "target='vda' image='demo/desktop'" >"$tmp/template.xml"
    for name in pc1 pc2; do
        define "$name" "$tmp/template.xml"
        virsh dumpxml --inactive "$name" >"$tmp/$name.xml"
    done
}

all_kills=0
publish_golden
test_remains
kill_everywhere prepare
kill_everywhere release
keep_everywhere
test_running
diag "$all_kills kills of the hook; $tap_failed tests failed"
done_testing
