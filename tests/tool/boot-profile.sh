#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boot profiles: a new version inherits its parent's, gc takes it with its version, verify does not mind it.
. "$(dirname "$0")/lib.sh"
needs jq qemu-img

readonly MIB=$((1024 * 1024)) CHUNK=65536
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

new_site
test_inheritance
test_gc
done_testing
