#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild nightly: what scripts can do wrong, nights that are killed, overlap or have been, and the report.
# (tests/system/night.sh has the checks, and what needs root.)
. "$(dirname "$0")/lib.sh"
needs jq nbdkit qemu-img qemu-io

# GILD_DISK and its like are for the scripts, so:
# shellcheck disable=SC2016

readonly MIB=$((1024 * 1024))
night=$tmp/state/nightly scripts=$tmp/nightly.d

start_nbdkit ()
{
    "$(PATH=$PATH:/usr/sbin type -P nbdkit)" --foreground --readonly --unix "$run/nbd.sock" \
        "${GILD_NBDKIT_PLUGIN:?}" 2>>"$tmp/nbdkit.log" &
    stop_at_exit $!
    wait_for 60 test -S "$run/nbd.sock" || { diag_file "$tmp/nbdkit.log"; exit 1; }
}

# script IMAGE COMMAND…: what the nights run for it.
script ()
{
    mkdir -p "$scripts/${1%/*}"
    printf '#!/bin/bash\n%s\n' "${*:2}" >"$scripts/$1.new"
    chmod 755 "$scripts/$1.new"
    mv "$scripts/$1.new" "$scripts/$1"
}

# write PATTERN: a script that changes one place of the disk.
write ()
{
    echo "qemu-io -f qcow2 -c 'write -P $1 1M 4k' \"\$GILD_DISK\""
}

# channel IMAGE NAME: the version that it names.
channel ()
{
    gild images "$1" --json | jq --arg name "$2" '.images[] | select(.channels | index($name)).version'
}

versions ()
{
    gild images "$1" --json | jq -c '[.images[].version]'
}

# outcome IMAGE: of the last night that was printed as JSON.
outcome ()
{
    jq -r --arg image "$1" '.images[] | select(.image == $image).outcome' "$tmp/stdout"
}

# night_is DESCRIPTION STATUS IMAGE OUTCOME: a night now.
night_is ()
{
    run gild nightly --json
    is "$1" "$status $(outcome "$3")" "$2 $4"
    [ "$status $(outcome "$3")" = "$2 $4" ] || diag_file "$tmp/stdout" "$tmp/stderr"
}

pages ()
{
    cat "$night"/*.txt
}

test_no_publisher ()
{
    printf '[paths]\nstate=%s\nrun=%s\n' "$tmp/none" "$run" >"$tmp/none.conf"
    run_fails 'without a site' 1 'belongs to no site' gild nightly --config "$tmp/none.conf"
    is 'nothing is made' "$(ls "$tmp/none" 2>/dev/null)" ''
}

test_no_scripts ()
{
    run_ok 'without scripts' gild nightly
    like 'the page says so' "$(cat "$tmp/stdout")" '^gild nightly [0-9-]+ on .*: no image has a script$'
    is 'and is kept' "$(pages)" "$(cat "$tmp/stdout")"
    rm "$night"/*.txt
}

test_scripts ()
{
    script a/none true
    night_is 'an image that does not exist' 1 a/none edit-failed
    like 'is named' "$(jq -r '.images[].reason' "$tmp/stdout")" 'no production version'
    rm "$scripts/a/none"
    script a/disk true
    chmod 775 "$scripts/a/disk"
    night_is 'a script that others may change' 1 a/disk edit-failed
    like 'is not run, and why' "$(jq -r '.images[].reason' "$tmp/stdout")" 'others may write to .*/a/disk.*chmod'
    chmod 777 "$scripts/a"
    chmod 755 "$scripts/a/disk"
    night_is 'nor one in a directory where others may' 1 a/disk edit-failed
    chmod 755 "$scripts/a"
    chmod 644 "$scripts/a/disk"
    script a/UPPER true
    mkdir -p "$scripts/b"
    run_ok 'what is no executable, or has no name of an image, is none' gild nightly
    like 'so there is nothing' "$(cat "$tmp/stdout")" 'no image has a script'
    rm -r "${scripts:?}"/*
}

test_night ()
{
    script a/disk 'echo "said $GILD_IMAGE"'
    night_is 'a script that changes nothing' 0 a/disk unchanged
    is 'makes no version' "$(versions a/disk)" '[1]'
    script a/disk "$(write 7)"
    night_is 'one that changes something' 0 a/disk promoted
    is 'makes a version that is production' "$(channel a/disk production)" 2
    is 'with a note' "$(gild images a/disk --json | jq -r '.images[] | select(.version == 2).note | .[0:8]')" 'nightly '
    night_is 'the same again' 0 a/disk unchanged
    is 'makes none' "$(versions a/disk)" '[1,2]'
    run_ok 'the page' gild nightly
    like 'has the image' "$(cat "$tmp/stdout")" '^a/disk: unchanged$'
    like 'and gc' "$(cat "$tmp/stdout")" '^gc: 0 versions removed'
}

test_bad_scripts ()
{
    script a/disk 'printf "\033[2Jlast words\n" >&2; '"$(write 8)"'; exit 7'
    script b/disk "$(write 9)"
    night_is 'a script that fails' 1 a/disk edit-failed
    is 'leaves production' "$(channel a/disk production) $(versions a/disk)" '2 [1,2]'
    is 'and the next image goes on' "$(outcome b/disk)" promoted
    page=$(pages)
    like 'the page says how it ended' "$page" "^a/disk: NOT UPDATED: $scripts/a/disk ended with status 7"
    like 'and what it said, without what does things to a terminal' "$page" '^    \|  \[2Jlast words'
    cp "$tmp/gild.conf" "$tmp/before.conf"
    printf '[nightly]\ntimeout=2\n' >>"$tmp/gild.conf"
    script a/disk "$(write 8)"'; sleep 600'
    night_is 'one that hangs' 1 a/disk edit-failed
    is 'leaves production too' "$(channel a/disk production)" 2
    cp "$tmp/before.conf" "$tmp/gild.conf"
    rm -r "${scripts:?}/b"
}

# begin_night: in the background, as process $night_pid.
begin_night ()
{
    gild nightly >"$tmp/night.out" 2>&1 &
    night_pid=$!
}

has_ended_all ()
{
    flock --nonblock "$night/.lock" true
}

test_killed ()
{
    local before
    script a/disk "touch $tmp/begun; until [ -e $tmp/go ]; do sleep 0.1; done; $(write 10)"
    begin_night
    run_ok 'a night begins' wait_for 60 test -e "$tmp/begun"
    run_fails 'a second at once' 1 "process $night_pid" gild nightly
    kill -KILL "$night_pid"
    run_ok 'when it is killed what it has started ends' wait_for 60 has_ended_all
    is 'nothing was published' "$(channel a/disk production) $(channel a/disk nightly)" '2 2'
    is 'the state says where it was' "$(jq -r '.images[] | select(.image == "a/disk").step' "$night/state.json")" edit
    touch "$tmp/go"
    night_is 'the next night begins anew' 0 a/disk promoted
    is 'and there is one version of it' "$(versions a/disk)" '[1,2,3]'

    # As if it was killed when the edit had published: the state is still that of before.
    gild edit a/disk --from 3 --channel nightly -- bash -c "$(write 11)" >"$tmp/edit.log" 2>&1
    jq '(.images[] | select(.image == "a/disk")) |= (.step = "edit" | .before = 3 | .version = null)' "$night/state.json" >"$tmp/state.json"
    cp "$tmp/state.json" "$night/state.json"
    script a/disk 'exit 1'
    night_is 'a version that was published is gone on with' 0 a/disk promoted
    is 'without an edit' "$(channel a/disk production) $(versions a/disk) $(jq '.images[0].resumed' "$tmp/stdout")" '4 [1,2,3,4] true'

    # The same when it had promoted.
    jq '(.images[] | select(.image == "a/disk")) |= (.step = "promote" | .version = 4)' "$night/state.json" >"$tmp/state.json"
    cp "$tmp/state.json" "$night/state.json"
    script a/disk true
    night_is 'one that was promoted is not promoted again' 0 a/disk unchanged
    gild rollback a/disk >/dev/null
    cp "$tmp/state.json" "$night/state.json"
    night_is 'nor where an admin went back since' 0 a/disk unchanged
    is 'which stays' "$(channel a/disk production)" 3
}

test_overtaken ()
{
    script a/disk "gild promote a/disk@1 >/dev/null; $(write 12)"
    night_is 'when an admin changes production meanwhile' 1 a/disk edit-failed
    is 'that stays' "$(channel a/disk production)" 1
}

test_state ()
{
    echo '{' >"$night/state.json"
    script a/disk true
    run gild nightly
    is 'a state that is damaged' "$status" 1
    like 'is no night, and the page says what to do' "$(cat "$tmp/stdout")" 'state\.json: .*remove it'
    rm "$night/state.json"
}

# at_day N COMMAND…: as if it were N days later.
at_day ()
{
    LD_PRELOAD=${builddir:?}/tests/tool/other-clock.so CLOCK_OFF=$(($1 * 86400)) "${@:2}"
}

test_schedule ()
{
    run_ok 'a scheduled night' at_day 0 gild nightly --scheduled
    like 'is one' "$(cat "$tmp/stdout")" '^a/disk: unchanged'
    run_ok 'a second on that day' at_day 0 gild nightly --scheduled
    is 'is none' "$(cat "$tmp/stdout")" ''
    run_ok 'one that an admin wants' at_day 0 gild nightly
    like 'is one' "$(cat "$tmp/stdout")" '^a/disk: unchanged'
    run_ok 'the next day' at_day 1 gild nightly --scheduled
    like 'it is one again' "$(cat "$tmp/stdout")" '^a/disk: unchanged'
    run_ok 'a clock that jumps back a day' at_day 0 gild nightly --scheduled
    like 'costs one night more' "$(cat "$tmp/stdout")" '^a/disk: unchanged'
    run_ok 'and no further' at_day 0 gild nightly --scheduled
    is 'one' "$(cat "$tmp/stdout")" ''
    for day in $(seq 100 165); do
        touch "$night/2027-01-$day.txt"
    done
    gild nightly >/dev/null
    is 'as many pages as it keeps' "$(find "$night" -name '*.txt' | wc -l)" 60
}

test_report ()
{
    printf "[nightly]\nreport=%s/mail 'gild: %%s'\n" "$tmp" >>"$tmp/gild.conf"
    run_fails 'a report command that does not exist' 1 'not sent: .*/mail' gild nightly
    printf '#!/bin/sh\necho "$1" >%s/subject; cat >%s/mailed\n' "$tmp" "$tmp" >"$tmp/mail"
    chmod 755 "$tmp/mail"
    run_ok 'one that does' gild nightly
    is 'gets the summary' "$(cat "$tmp/subject")" 'gild: 1 unchanged'
    is 'and the page' "$(cat "$tmp/mailed")" "$(cat "$tmp/stdout")"
    printf '#!/bin/sh\necho "no route" >&2; exit 75\n' >"$tmp/mail"
    run_fails 'one that fails' 1 'not sent: .*/mail ended with status 75: no route' gild nightly
}

new_site
printf '[nightly]\nscripts=%s\nhosts-wait=0\n[image a/disk]\ncheck=no\n[image b/disk]\ncheck=no\n' "$scripts" >>"$tmp/gild.conf"
mkdir "$scripts"
start_nbdkit
make_raw "$tmp/disk.raw" $((4 * MIB))
publish a/disk "$tmp/disk.raw"
publish b/disk "$tmp/disk.raw"
test_no_publisher
test_no_scripts
test_scripts
test_night
test_bad_scripts
test_killed
test_overtaken
test_state
test_schedule
test_report
done_testing
