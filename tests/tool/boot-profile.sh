#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boot profiles: what a desktop reads at first is noted, and nothing else; a new version inherits its parent's, gc takes
# it with its version, verify does not mind it.
. "$(dirname "$0")/lib.sh"
needs curl jq nbdcopy nbdinfo nbdkit qemu-img shuf

readonly MIB=$((1024 * 1024)) CHUNK=65536
readonly client=${builddir:?}/tests/tool/nbd-client
images=$tmp/state/images/a/disk

# profile V BOOTS POSITIONS: as JSON.
profile ()
{
    printf '{"format":"gild-profile-1","image":"a/disk","version":%s,"boots":%s,"positions":[%s]}\n' "$@"
}

# is_profile DESCRIPTION V BOOTS POSITIONS: the file has them.
is_profile ()
{
    is "$1" "$(jq -r '"\(.image)@\(.version) \(.boots) \(.positions | map (tostring) | join (","))"' "$images/$2.profile")" \
        "a/disk@$2 $3 $4"
}

# Version 2 has zeros where version 1 has data, and is shorter.
test_inheritance ()
{
    make_raw "$tmp/disk.raw" $((4 * MIB))
    publish a/disk "$tmp/disk.raw"
    run_ok 'a version without a parent has no profile' test ! -e "$images/1.profile"
    profile 1 3 15,63,0,5,6 >"$images/1.profile"
    put "$tmp/disk.raw" $((5 * CHUNK)) $CHUNK /dev/zero
    truncate -s $((3 * MIB)) "$tmp/disk.raw"
    publish a/disk "$tmp/disk.raw"
    is_profile 'a version inherits what it has of it' 2 0 15,0,6
    is 'whoever may read records may read it' "$(stat -c %a "$images/2.profile")" "$(stat -c %a "$images/2.json")"
    publish a/disk "$tmp/disk.raw"
    is_profile 'and so does the next one' 3 0 15,0,6
    profile 3 1 99999 >"$images/3.profile"
    run_ok 'a profile that is damaged is no reason not to publish' gild publish a/disk "$tmp/disk.raw"
    like 'it is said' "$(cat "$tmp/stderr")" '3\.profile is removed.*behind the disk'
    run_ok 'and it is gone' test ! -e "$images/3.profile"
    run_ok 'nothing is inherited' test ! -e "$images/4.profile"
}

test_gc ()
{
    profile 4 1 1 >"$images/4.profile"
    profile 77 1 1 >"$images/77.profile"
    touch "$images/4.profile.abcdef"
    run_ok 'verify does not mind profiles' gild verify
    run_ok 'gc' gild gc --keep 1
    is 'leaves one profile, and no litter' "$(cd "$images" && echo ./*.profile*)" ./4.profile
    is_profile 'as it was' 4 1 1
    is 'there is no litter' "$(litter)" ''
}

start_gildd ()
{
    gildd 2>>"$tmp/gildd.log" &
    gildd=$!
    stop_at_exit "$gildd"
    wait_for 20 curl -sf --unix-socket "$run/gildd.sock" http://gild/status || { diag_file "$tmp/gildd.log"; exit 1; }
}

start_nbdkit ()
{
    rm -f "$run/nbd.sock"
    "$(PATH=$PATH:/usr/sbin type -P nbdkit)" --foreground --readonly --unix "$run/nbd.sock" \
        "${GILD_NBDKIT_PLUGIN:?}" "$@" 2>>"$tmp/nbdkit.log" &
    nbdkit=$!
    stop_at_exit "$nbdkit"
    wait_for 20 test -S "$run/nbd.sock" || { diag_file "$tmp/nbdkit.log"; exit 1; }
}

# call METHOD PATH [BODY]: the status in $code, the answer in $tmp/answer.
call ()
{
    local options=(-sS --max-time 20 --unix-socket "$run/gildd.sock" -o "$tmp/answer" -w '%{http_code}' -X "$1")
    [ -z "${3:-}" ] || options+=(--data-binary "$3")
    code=$(curl "${options[@]}" "http://gild$2") || true
}

# prepare [TARGET…]: a desktop is about to boot, from as many disks.
prepare ()
{
    local disks
    [ $# -gt 0 ] || set -- vda
    disks=$(printf '{"target":"%s","image":"a/boot"}\n' "$@" | jq -sc .)
    call POST /desktops/pc1/prepare "{\"uuid\":\"7c1ff4a4-9f0b-4f3c-a7ec-6e6d0a3d0e11\",\"disks\":$disks}"
    [ "$code" = 200 ] || { diag_file "$tmp/answer"; exit 1; }
}

uri ()
{
    echo "nbd+unix:///a/boot@1?socket=$run/nbd.sock"
}

# boot POSITION…: a client reads a part of each of these chunks, and some of them again.
boot ()
{
    printf '%s\n' "$@" | awk -v chunk=$CHUNK '{ print $1 * chunk + 4096, 4096 } NR % 5 == 0 { print $1 * chunk, 512 }' >"$tmp/reads"
    "$client" "$(uri)" read-all <"$tmp/reads"
}

# noted: "BOOTS POSITIONS" of the profile.
noted ()
{
    jq -r '"\(.boots) \(.positions | map (tostring) | join (" "))"' "$state/images/a/boot/1.profile"
}

# becomes DESCRIPTION BOOTS POSITIONS: the profile, once gildd has written it.
becomes ()
{
    run wait_for 20 is_noted "$2 $3"
    is "$1" "$(noted)" "$2 $3"
}

is_noted ()
{
    [ "$(noted)" = "$1" ]
}

# positions FIRST LAST SEED: those chunks in an order that looks like a boot, but those that are zero.
positions ()
{
    seq "$1" "$2" | grep -vx -e 96 -e 97 | shuf --random-source=<(yes "$3") | tr '\n' ' '
}

# A disk of 300 chunks; 96 and 97 are zero.
test_no_boot ()
{
    head -c $((300 * CHUNK)) /dev/urandom >"$tmp/boot.raw"
    put "$tmp/boot.raw" $((96 * CHUNK)) $((2 * CHUNK)) /dev/zero
    publish a/boot "$tmp/boot.raw"
    start_gildd
    start_nbdkit
    first=$(positions 0 150 1)
    # shellcheck disable=SC2086
    run_ok 'somebody reads like a boot, and no desktop was prepared' boot $first
    prepare
    run_ok 'somebody looks at what there is' nbdinfo --list "nbd+unix:///?socket=$run/nbd.sock"
    run_ok 'somebody looks at the disk' qemu-img info "$(uri)"
    run_ok 'somebody copies it' nbdcopy "$(uri)" "$tmp/copy.raw"
    run_ok 'and by one connection' nbdcopy --connections=1 --requests=1 "$(uri)" "$tmp/copy.raw"
    run_ok 'somebody reads a little' boot 9 3 200
}

# The desktop that test_no_boot prepared boots; then others.
test_boots ()
{
    # shellcheck disable=SC2086
    run_ok 'a desktop reads' boot 96 $first 97
    becomes 'what it has read is noted, in order, but zeros' 1 "${first% }"
    local second new
    second=$(positions 100 250 2)
    # shellcheck disable=SC2086
    run_ok 'the same again, and nothing was prepared' boot $second
    prepare
    # shellcheck disable=SC2086
    run_ok 'a second desktop' boot $second
    new=$(tr ' ' '\n' <<<"$second" | awk '$1 > 150' | tr '\n' ' ')
    becomes 'what it has read besides comes behind' 2 "$first${new% }"
    prepare vda vdb
    # shellcheck disable=SC2086
    run_ok 'a third' boot 299 $second
    becomes 'a third' 3 "$first${new}299"
    # shellcheck disable=SC2086
    run_ok 'a fourth' boot 298 $second
    is 'nobody is kept waiting, and nothing goes wrong' "$(cat "$tmp/nbdkit.log")" ''
}

# boot_json MEMBERS POSITIONS: what nbdkit tells.
boot_json ()
{
    printf '{"format":"gild-profile-1","image":"a/boot","version":1,"boots":1,"age":10,"positions":[%s]%s}' "$2" "$1"
}

# What gildd is told otherwise.
test_route ()
{
    local path body regex status
    call POST /images/a/boot/1/profile "$(boot_json '' 1,2,3)"
    is 'of what is known no more is wanted' "$code $(cat "$tmp/answer" | jq -c .)" '200 {"wanted":false}'
    publish a/boot "$tmp/boot.raw"
    call POST /images/a/boot/2/profile "$(boot_json ',"version":2' 1,2,3)"
    is 'of a new version it is' "$code $(jq -c . "$tmp/answer")" '200 {"wanted":true}'
    while IFS='|' read -r path regex body; do
        call POST "$path" "$body"
        is "POST $path $body is refused" "$code" 400
        like "POST $path $body: and why" "$(jq -r .error "$tmp/answer")" "$regex"
    done <<END
/images/a/boot/1/profile|no body|
/images/a/boot/1/profile|"format" is missing|{}
/images/a/boot/2/profile|of 1 boots of a/boot@1|$(boot_json '' 1)
/images/a/x/1/profile|of 1 boots of a/boot@1|$(boot_json '' 1)
/images/a/boot/01/profile|of 1 boots of a/boot@1|$(boot_json '' 1)
/images/a/boot/1/profile|of 2 boots|$(boot_json ',"boots":2' 1)
/images/a/boot/1/profile|1 twice|$(boot_json '' 1,1)
/images/a/boot/1/profile|"age" is -1|$(boot_json ',"age":-1' 1)
/images/a/boot/1/profile|"age" is something else|$(boot_json ',"age":"x"' 1)
/images/a/boot/1/profile|"age" is 999999999999|$(boot_json ',"age":999999999999' 1)
END
    is 'none of that is noted' "$(cd "$state/images/a/boot" && echo ./*.profile*) $(noted | cut -d ' ' -f 1)" './1.profile ./2.profile 3'
    is 'a new version has what its parent had' "$(jq -c '[.boots, (.positions | length)]' "$state/images/a/boot/2.profile")" \
        "[0,$(jq '.positions | length' "$state/images/a/boot/1.profile")]"
}

# Who serves another state directory, such as gild export, tells gildd nothing.
test_other_state ()
{
    stop "$nbdkit"
    cp -r "$state" "$tmp/other"
    start_nbdkit "state=$tmp/other"
    rm "$state/images/a/boot/1.profile"
    prepare
    # shellcheck disable=SC2086
    run_ok 'a client of an nbdkit for another state directory' boot $first
    stop "$nbdkit"
    start_nbdkit
    # shellcheck disable=SC2086
    run_ok 'a desktop that boots then' boot 299 $first
    becomes 'is the first' 1 "299 ${first% }"
}

# A gildd that is dead keeps nobody waiting; one that has come back knows of no desktop.
test_gildd_away ()
{
    prepare
    kill -STOP "$gildd"
    # shellcheck disable=SC2086
    run_ok 'gildd is stuck: a desktop boots' timeout 60 bash -c "$(declare -f boot uri); client=$client CHUNK=$CHUNK run=$run tmp=$tmp; boot $first"
    unlike 'gildd is stuck: and has not waited for nbdkit to give up' "$(cat "$tmp/nbdkit.log")" 'gildd was not told'
    run_ok 'gildd is stuck: nbdkit says so' wait_for 20 grep 'gildd was not told what a boot of a/boot@1 has read' "$tmp/nbdkit.log"
    kill -CONT "$gildd"
    kill "$gildd"
    wait "$gildd" || true
    unlike 'gildd has said nothing bad' "$(cat "$tmp/gildd.log")" 'WARNING|CRITICAL|lost'
    run_ok 'all is whole' gild verify
}

new_site
test_inheritance
test_gc
test_no_boot
test_boots
test_route
test_other_state
test_gildd_away
done_testing
