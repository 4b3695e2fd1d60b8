#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Nights with real checks: what does not come up never reaches production, and what was killed is gone on with.
# (tests/system/night-office.sh has a night that goes well, tests/tool/nightly.sh what needs no check.)
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/debian-updates.sh
. "$(dirname "$0")/debian-updates.sh"
needs jq python3 dpkg-deb flock
golden=$srcdir/demo/cache/debian-minimal.qcow2
[ -e "$golden" ] || skip_all "there is no $golden: make it with demo/debian-image --minimal"
[ -c /dev/fuse ] && grep -qw fuse /proc/filesystems || skip_all 'this kernel has no FUSE'
[ -b /dev/loop0 ] && [ -c /dev/loop-control ] || skip_all 'there are no loop devices here'
host_up
readonly NIGHT=$state/nightly

# GILD_DISK and its like are for the scripts, so:
# shellcheck disable=SC2016

# script IMAGE COMMAND…
script ()
{
    mkdir -p "/etc/gild/nightly.d/${1%/*}"
    printf '#!/bin/bash\nset -e\n%s\n' "${*:2}" >"/etc/gild/nightly.d/$1"
    chmod 755 "/etc/gild/nightly.d/$1"
}

# A script that mounts the image at $directory, and runs COMMAND there.
mounted ()
{
    echo 'directory=$(mktemp -d); gild mount "$directory"; '"$1"'; umount "$directory"'
}

# configure IMAGE OPTIONS: of gild check.
configure ()
{
    sed -i "/^\[image ${1/\//\\/}\]/,/^check=/d" /etc/gild/gild.conf
    printf '[image %s]\ncheck=%s\n' "$1" "$2" >>/etc/gild/gild.conf
}

channel ()
{
    gild images "$1" --json | jq --arg name "$2" '.images[] | select(.channels | index($name)).version'
}

versions ()
{
    gild images "$1" --json | jq -c '[.images[].version]'
}

# said IMAGE MEMBER: of the last night, which was printed as JSON.
said ()
{
    jq -r --arg image "$1" ".images[] | select(.image == \$image).$2" "$tmp/stdout"
}

# night [COMMAND…]: a night now, by COMMAND; bounded, and its end shown if it is not as it should.
night ()
{
    status=0
    timeout --foreground 900 "$@" gild nightly --json >"$tmp/stdout" 2>"$tmp/stderr" </dev/null || status=$?
}

# night_is DESCRIPTION STATUS IMAGE OUTCOME
night_is ()
{
    local got
    got="$status $(said "$3" outcome)"
    is "$1" "$got" "$2 $4"
    [ "$got" = "$2 $4" ] || diag_file "$tmp/stdout" "$tmp/stderr"
}

has_domain ()
{
    virsh list --name | grep -q '^gild-check-'
}

has_no_domain ()
{
    ! has_domain
}

lock_is_free ()
{
    flock --nonblock "$NIGHT/.lock" true
}

mkdir -p /etc/gild
printf '[nightly]\nhosts-wait=0\n' >>/etc/gild/gild.conf

test_nothing_to_upgrade ()
{
    run_ok 'publish Debian' gild publish demo/debian "$golden"
    updates_up
    run_ok 'it gets its packages from here' gild edit demo/debian -- bash -ec "image_takes_updates_here $tmp/package"
    mkdir -p /etc/gild/nightly.d/demo
    ln -s /usr/share/gild/nightly/debian-upgrade /etc/gild/nightly.d/demo/debian
    # As its unit has it: mounts of its own.
    night unshare --mount --propagation slave
    night_is 'a night without upgrades' 0 demo/debian unchanged
    is 'makes no version' "$(versions demo/debian)" '[1,2]'
    rm /etc/gild/nightly.d/demo/debian
}

# Both are found out before their time is over: one finds nothing to boot, one says emergency mode.
test_broken ()
{
    run_ok 'a second Debian' gild publish demo/second "$golden"
    script demo/debian 'qemu-io -f qcow2 -c "write -z 0 512" "$GILD_DISK"'
    script demo/second "$(mounted 'echo "/dev/nowhere /srv ext4 defaults,x-systemd.device-timeout=1s 0 2" >>"$directory/etc/fstab"')"
    configure demo/debian '--virt-type qemu --memory 768MiB --timeout 3m'
    configure demo/second '--virt-type qemu --memory 768MiB --timeout 5m'
    night
    night_is 'a night that breaks a boot loader' 3 demo/debian not-up
    night_is 'and an fstab' 3 demo/second not-up
    is 'leaves production' "$(channel demo/debian production) $(channel demo/second production)" '2 1'
    page=$(cat "$NIGHT"/*.txt)
    like 'the page says so of one' "$page" '^demo/debian: NOT UPDATED: @3 did not come up: .'
    like 'and of the other' "$page" '^demo/second: NOT UPDATED: @2 did not come up: .'
    diag "$(said demo/debian reason)"
    diag "$(said demo/second reason)"
    like 'where the picture of its screen is' "$page" "^    screenshot: $state/checks/demo/second/2/"
    like 'and what its console said' "$page" '^    \| .*emergency mode'
    rm /etc/gild/nightly.d/demo/debian /etc/gild/nightly.d/demo/second
}

# With the small guest, which is up in seconds.
test_killed_in_check ()
{
    template "target='vda'" >/etc/gild/templates/small.xml
    run_ok 'publish a small one' gild publish demo/small "$guest_files/golden.qcow2"
    script demo/small "echo x >>$tmp/edits; mkdir $tmp/d; gild mount $tmp/d; echo \$RANDOM >$tmp/d/new; umount $tmp/d; rmdir $tmp/d"
    configure demo/small '--template small --virt-type qemu --ready never-said'
    gild nightly >"$tmp/night.out" 2>&1 &
    local pid=$!
    run_ok 'a night is at its check' wait_for 120 has_domain
    kill -KILL "$pid"
    run_ok 'it is killed, and so ends what it started' wait_for 60 lock_is_free
    run_ok 'and its guest' wait_for 60 has_no_domain
    is 'production is as it was' "$(channel demo/small production)" 1
    configure demo/small '--template small --virt-type qemu --ready @ready'
    night
    night_is 'the next night goes on' 0 demo/small promoted
    is 'without an edit' "$(wc -l <"$tmp/edits") $(versions demo/small) $(said demo/small resumed)" '1 [1,2] true'
    is 'and production is the new one' "$(channel demo/small production)" 2
}

test_not_checked ()
{
    night env LIBVIRT_DEFAULT_URI='qemu+unix:///system?socket=/nonexistent'
    night_is 'where nothing can be checked' 1 demo/small could-not-check
    is 'nothing is promoted' "$(channel demo/small production)" 2
    night
    night_is 'it is checked in the next night' 0 demo/small promoted
    is 'without an edit' "$(wc -l <"$tmp/edits") $(channel demo/small production)" '2 3'
}

test_overtaken ()
{
    printf '#!/bin/sh\ngild promote demo/small@1\n' >"$tmp/admin"
    chmod 755 "$tmp/admin"
    configure demo/small "--template small --virt-type qemu --script $tmp/admin"
    night
    night_is 'an admin who changes production during the check' 1 demo/small overtaken
    is 'has the last word' "$(channel demo/small production)" 1
}

mkdir -p /etc/gild/templates
test_nothing_to_upgrade
test_broken
test_killed_in_check
test_not_checked
test_overtaken
run_ok 'every image is whole' gild verify
is 'nothing is left mounted' "$(grep -c 'fuse\|/dev/loop' /proc/self/mountinfo)" 0
done_testing
