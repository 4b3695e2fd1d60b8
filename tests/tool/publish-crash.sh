#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild publish when the disk is full, when it is killed, and when there are two: the old state or the new one.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq

readonly MIB=$((1024 * 1024))

# A record counts when its .sig is there; its text beside it comes after it, or is mended by the next gc.
readonly text_is_late='[0-9a-z]\.json: '

# sound DESCRIPTION: what versions there are verify, and the channel names one of them or none.
sound ()
{
    local version
    run gild verify --json
    is "$1: all versions verify" "$(jq -r '.problems[]' "$tmp/stdout" | grep -v "$text_is_late")" ''
    version=$(jq .channels.production "$state/images/crash/disk/channels.json" 2>/dev/null || echo none)
    [ "$version" = none ] || like "$1: the channel names a version that is there" "$(versions_on_disk)" "^crash/disk@$version$"
}

# recovers DESCRIPTION: the next publish succeeds, and gc leaves what the versions need and nothing more.
recovers ()
{
    run_ok "$1: the next publish succeeds" gild publish crash/disk "${2:-$tmp/disk.qcow2}"
    run_ok "$1: gc" gild gc
    is "$1: gc removes the litter" "$(litter)" ''
    run_ok "$1: verify" gild verify
}

# litter: chunks that no index names, and files that are neither chunk nor record.
litter ()
{
    local index
    find "$state/images" -name '*.caibx' | while read -r index; do
        tail -c +65 "$index" | od -An -v -tx1 -w40 | tr -d ' ' | cut -c 17-80
        tail -n +3 "${index%.caibx}.json.sig" | jq -r '.index.chunks[]'
    done | sort -u >"$tmp/needed"
    comm -13 "$tmp/needed" <(find "$state/store.castr" -name '*.cacnk' -printf '%f\n' | sed 's/\.cacnk$//' | sort)
    (cd "$state" && find store.castr images -type f ! -name '*.cacnk' ! -name '*.caibx' ! -name '*.json' \
        ! -name '*.json.sig' ! -name '.lock*' ! -name 'lock*')
}

fresh ()
{
    rm -rf "$tmp/state"
    new_site
}

# The fault comes at the N-th such call of a thread, for N from 1 to MAX or until no more fault comes.
test_fault_at_each_call ()
{
    local what=$1 calls=$2 fault=$3 wanted=$4 max=$5 n
    for ((n = 1; n <= max; n++)); do
        rm -rf "$state"
        cp -a "$tmp/prepared" "$state"
        run strace -f -qq -o "$tmp/trace" -e "trace=$calls" -e "inject=$calls:$fault:when=$n" \
            gild publish crash/disk "$tmp/new.raw"
        grep -q -e INJECTED -e 'killed by SIGKILL' "$tmp/trace" || break
        like "$what, call $n: publish fails" "$status" "$wanted"
        sound "$what, call $n"
        recovers "$what, call $n" "$tmp/new.raw"
    done
    is "$what: there was such a call" "$((n > 1))" 1
}

test_faults ()
{
    if ! strace -f -o /dev/null true 2>/dev/null; then
        skip 'strace cannot trace here' 'faults at each system call'
        return
    fi
    fresh
    publish crash/disk "$tmp/old.raw"
    cp -a "$state" "$tmp/prepared"
    test_fault_at_each_call 'kill -9 at rename' rename,renameat,renameat2 signal=SIGKILL '^137$' 30
    test_fault_at_each_call 'kill -9 at syncfs and fsync' syncfs,fsync,fdatasync signal=SIGKILL '^137$' 30
    test_fault_at_each_call 'kill -9 at write' write,pwrite64,writev signal=SIGKILL '^(1|137)$' 4
    test_fault_at_each_call 'no space at rename' rename,renameat,renameat2 error=ENOSPC '^1$' 12
    test_fault_at_each_call 'I/O error at syncfs and fsync' syncfs,fsync,fdatasync error=EIO '^1$' 30
}

# in_small_tmpfs SIZE COMMAND…: with a new file system of SIZE at $tmp/small, where COMMAND is root for mount's sake.
in_small_tmpfs ()
{
    local size=$1
    shift
    mkdir -p "$tmp/small"
    # shellcheck disable=SC2016
    unshare --mount --user --map-root-user bash -c 'mount -t tmpfs -o "size=$1,mode=755" small "$2" && "${@:3}"' - "$size" "$tmp/small" "$@"
}

# gild itself is nobody's root.
gild_as_user ()
{
    unshare --user --map-user=1000 --map-group=1000 -- "$(type -P gild)" "$@"
}

# A disk that fills up while publishing, on a real file system; then there is room again.
full_disk ()
{
    printf '[paths]\nstate=%s\nrun=%s\n' "$tmp/small/state" "$run" >"$tmp/small.conf"
    state=$tmp/small/state
    export GILD_CONFIG=$tmp/small.conf
    gild () { gild_as_user "$@"; }
    gild init small >"$tmp/init.log" 2>&1 || { not_ok 'a site in a small file system'; diag_file "$tmp/init.log"; }
    run_fails 'a full disk' 1 'No space left' gild publish crash/disk "$tmp/disk.qcow2"
    is 'a full disk: there is no version' "$(versions_on_disk)" ''
    mount --options-mode ignore -o remount,size=200m "$tmp/small"
    recovers 'a full disk'
    mount --options-mode ignore -o remount,ro "$tmp/small"
    run_fails 'a read-only store' 1 'Read-only' gild publish crash/disk "$tmp/disk.qcow2"
    run_ok 'a read-only store is whole' gild verify
    run_ok 'and can be read' gild images
    echo "$tap_count $tap_failed" >"$tmp/counts"
}

test_full_disk ()
{
    in_small_tmpfs 1m unshare --user --map-user=1000 true 2>/dev/null || { skip 'no file system can be mounted here' 'a full disk'; return; }
    export -f full_disk gild_as_user recovers litter versions_on_disk run run_ok run_fails is ok not_ok diag diag_file
    export tmp run
    tap_count=$tap_count tap_failed=$tap_failed in_small_tmpfs 12m bash -c full_disk
    read -r tap_count tap_failed <"$tmp/counts"
}

# Any moment: the later rounds are later in the run.
test_random_kills ()
{
    local round pid signal
    fresh
    for round in $(seq 12); do
        signal=KILL
        [ $((round % 3)) != 0 ] || signal=INT
        env --default-signal=INT gild publish crash/disk "$tmp/disk.qcow2" >/dev/null 2>&1 &
        pid=$!
        sleep "0.0$((round * 7))"
        kill -"$signal" "$pid" 2>/dev/null || :
        wait "$pid" || :
        sound "round $round, SIG$signal"
    done
    recovers 'after all rounds'
}

test_ctrl_c ()
{
    fresh
    env --default-signal=INT gild publish crash/disk "$tmp/large.raw" >"$tmp/stdout" 2>"$tmp/stderr" &
    local pid=$! status=0
    wait_for 10 staging_has_files || :
    kill -INT "$pid"
    wait "$pid" || status=$?
    like 'Ctrl-C: publish ends' "$status" '^(1|130)$'
    is 'Ctrl-C: there is no version' "$(versions_on_disk)" ''
    is 'Ctrl-C: it takes its litter away itself' "$(find "$state/store.castr" -type f ! -name '*lock*')" ''
    recovers 'Ctrl-C'
}

staging_has_files ()
{
    [ -n "$(find "$state/store.castr" -mindepth 2 -type f -print -quit)" ]
}

test_two_at_once ()
{
    local first second a=0 b=0
    fresh
    gild publish crash/disk "$tmp/disk.qcow2" >"$tmp/a" 2>&1 &
    first=$!
    gild publish crash/disk "$tmp/small.qcow2" >"$tmp/b" 2>&1 &
    second=$!
    wait "$first" || a=$?
    wait "$second" || b=$?
    is 'two at once: both succeed' "$a $b" '0 0'
    is 'two at once: one after the other' "$(cat "$tmp/a" "$tmp/b" | grep -o '^crash/disk@[0-9]*' | sort | tr '\n' ' ')" \
        'crash/disk@1 crash/disk@2 '
    is 'two at once: the channel names the later' "$(jq .channels.production "$state/images/crash/disk/channels.json")" 2
    run_ok 'two at once: both verify' gild verify
}

truncate -s $((40 * MIB)) "$tmp/disk.raw"
put "$tmp/disk.raw" $((2 * MIB)) $((30 * MIB)) /dev/urandom
qemu-img convert -f raw -O qcow2 "$tmp/disk.raw" "$tmp/disk.qcow2"
make_qcow2 "$tmp/small.qcow2" $((2 * MIB))
make_raw "$tmp/old.raw" 200000
make_raw "$tmp/new.raw" 200000
head -c 600M /dev/urandom >"$tmp/large.raw"
test_faults
test_full_disk
test_random_kills
test_ctrl_c
test_two_at_once
done_testing
