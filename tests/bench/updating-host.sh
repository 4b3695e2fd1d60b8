#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What an upgrade of $GILD_BENCH_IMAGE by the packages at $GILD_BENCH_SECURITY costs: a line "WHAT VALUE" for each figure.
#
# The test's own host publishes, PCs are at the other end of 1 Gbit/s; what apt gets comes through this PC's network.
[ -n "${outer_net:-}" ] || exec {outer_net}</proc/self/ns/net
export outer_net
# shellcheck source=tests/office/lib.sh
. "$(dirname "$0")/../office/lib.sh"
readonly ROUNDS=3 PCS='pc1 pc2 pc3' NIGHTS=30 OLD=demo/debian@1 NEW=demo/debian@2
exec 3>"${GILD_BENCH_FIGURES:?}"

figure ()
{
    echo "$1 $2" >&3
    echo "$1 $2" >&2
}

# seconds COMMAND…
seconds ()
{
    local from=$EPOCHREALTIME
    "$@" >&2
    awk -v a="$EPOCHREALTIME" -v b="$from" 'BEGIN { print a - b }'
}

# median_of COMMAND…: of the numbers that it prints.
median_of ()
{
    local round
    for ((round = 0; round < ROUNDS; round++)); do "$@"; done | sort -n | sed -n "$(((ROUNDS + 1) / 2))p"
}

# edit IMAGE COMMAND…: with this PC's network.
edit ()
{
    nsenter --net="/proc/$$/fd/$outer_net" -- gild edit "$1" -- "${@:2}" >&2
}

# add_security: for gild edit; apt shall know of the upgrades.
add_security ()
{
    local root
    root=$(mktemp -d)
    gild mount "$root"
    echo "deb $GILD_BENCH_SECURITY bookworm-security main" >"$root/etc/apt/sources.list.d/security.list"
    umount "$root"
    rmdir "$root"
}

# in_image COMMAND…: for gild edit; in the mounted copy. What apt got stays in $apt.
in_image ()
{
    local root status=0
    root=$(mktemp -d)
    gild mount "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs bench "$root/run"
    mount -t tmpfs bench "$root/tmp"
    mount --bind "$apt/lists" "$root/var/lib/apt/lists"
    mount --bind "$apt/cache" "$root/var/cache/apt"
    mkdir -p "$root/run/systemd/resolve"
    cp /etc/resolv.conf "$root/run/systemd/resolve/stub-resolv.conf"
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+"http_proxy=$http_proxy"} "$@" || status=$?
    umount -R "$root"
    rmdir "$root"
    return "$status"
}

# one_night PACKAGE…: for gild edit.
one_night ()
{
    in_image apt-get --yes --quiet -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold --no-install-recommends --reinstall install "$@"
}
export -f add_security in_image one_night

# raw_of IMAGE@VERSION FILE
raw_of ()
{
    gild export "$1" "$2.qcow2" >&2
    qemu-img convert -f qcow2 -O raw "$2.qcow2" "$2"
    rm "$2.qcow2"
}

sum_of ()
{
    find "$1" -name '*.cacnk' -printf '%s\n' | awk '{ n += $1 } END { print n }'
}

# new_pc NAME: it has the old version whole, and is switched off.
new_pc ()
{
    add_host "$1" $'[fetch]\nprefetch=never'
    limit "$1" 1gbit
    join desk "$1"
    wait_for 60 has_version "$1" "$OLD"
    on_seconds=600 on "$1" gild fetch "$OLD" >&2
    on "$1" gild-services stop >&2
}

# update_pc NAME: "SECONDS BYTES" from when it runs again until it has all of the new version.
update_pc ()
{
    local before from
    before=$(bytes_in "$1")
    on "$1" gild-services start >&2
    from=$EPOCHREALTIME
    wait_for 60 has_version "$1" "$NEW"
    on_seconds=600 on "$1" gild fetch "$NEW" >&2
    awk -v a="$EPOCHREALTIME" -v b="$from" -v bytes=$(($(bytes_in "$1") - before)) 'BEGIN { print a - b, bytes }'
    [ "$(disk_sum "$1" "$NEW")" = "$(disk_sum desk "$NEW")" ]
    on "$1" gild-services stop >&2
}

casync_make ()
{
    casync make --store="$tmp/casync.castr" --chunk-size=65536:65536:65536 --digest=sha256 "$tmp/$1.caibx" "$tmp/$1.raw" >&2
}

casync_extract ()
{
    rm -f "$tmp/extracted.raw"
    seconds casync extract --store="$tmp/casync.castr" --seed="$tmp/old.raw" "$tmp/new.caibx" "$tmp/extracted.raw"
}

# rsync_bytes OPTION…: what crosses the wire, both ways.
rsync_bytes ()
{
    cp --sparse=always "$tmp/old.raw" "$tmp/copy.raw"
    rsync --no-whole-file --inplace --stats "$@" "$tmp/new.raw" "$tmp/copy.raw" |
        awk '/^Total bytes (sent|received)/ { gsub(",", ""); n += $NF } END { print n }'
}

measure_upgrade ()
{
    local before pc
    gild publish demo/debian "$GILD_BENCH_IMAGE" >&2
    limit desk 1gbit
    for pc in $PCS; do
        new_pc "$pc"
    done
    edit demo/debian bash -ec 'add_security; exec /usr/share/gild/nightly/debian-upgrade'
    figure new-data "$(tail -n +3 "$state/images/demo/debian/2.json.sig" | jq .new_size)"
    for pc in $PCS; do
        update_pc "$pc"
    done >"$tmp/updates"
    figure seconds "$(cut -d ' ' -f 1 "$tmp/updates" | sort -n | sed -n 2p)"
    figure bytes "$(cut -d ' ' -f 2 "$tmp/updates" | sort -n | sed -n 2p)"
    raw_of "$OLD" "$tmp/old.raw"
    raw_of "$NEW" "$tmp/new.raw"
    casync_make old
    before=$(sum_of "$tmp/casync.castr")
    casync_make new
    figure casync-bytes $(($(sum_of "$tmp/casync.castr") - before))
    figure casync-seconds "$(median_of casync_extract)"
    figure rsync-bytes "$(rsync_bytes)"
    figure rsync-z-bytes "$(rsync_bytes -z)"
    rm -rf "$tmp"/*.raw "$tmp/casync.castr"
}

# qcow2_bytes IMAGE@VERSION: as a compressed qcow2 of its own.
qcow2_bytes ()
{
    gild export "$1" "$tmp/night.qcow2" >&2
    qemu-img convert -c -o compression_type=zstd -f qcow2 -O qcow2 "$tmp/night.qcow2" "$tmp/zstd.qcow2"
    stat -c %s "$tmp/zstd.qcow2"
    rm "$tmp/night.qcow2" "$tmp/zstd.qcow2"
}

# Each night one of the packages that are to be upgraded; when all are, packages are installed anew.
measure_nights ()
{
    local night packages
    apt=$tmp/apt
    export apt
    mkdir -p "$apt/lists" "$apt/cache/archives"
    gild publish demo/nights "$GILD_BENCH_IMAGE" >&2
    edit demo/nights bash -ec "add_security; in_image apt-get --quiet update >&2; in_image apt list --upgradable >$tmp/upgradable"
    mapfile -t packages < <({ sed -n 's,/.*,,p' "$tmp/upgradable" | grep -v '^Listing'
        printf '%s\n' perl-base systemd libc6 libssl3 udev dpkg coreutils bash util-linux libgnutls30 apt tar gzip libsystemd0 \
            libudev1 dbus kmod procps iproute2 qemu-guest-agent libzstd1 libpam-modules passwd login mount debianutils findutils \
            grep sed e2fsprogs; } | awk '!seen[$0]++')
    figure nights-pending "$(grep -vc '^Listing' "$tmp/upgradable")"
    for ((night = 1; night < NIGHTS; night++)); do
        edit demo/nights bash -ec "one_night ${packages[night - 1]}"
    done
    figure nights "$(gild images demo/nights --json | jq '.images | length')"
    figure nights-bytes "$(nights_bytes)"
    figure nights-qcow2-bytes $((($(qcow2_bytes demo/nights@1) + $(qcow2_bytes demo/nights)) * NIGHTS / 2))
}

# nights_bytes: of all chunks that this image has need of, those of its indexes included.
nights_bytes ()
{
    {
        find "$state/images/demo/nights" -name '*.caibx' -exec tail -q -c +65 {} + | od -An -v -tx1 -w40 | tr -d ' ' | cut -c 17-80
        find "$state/images/demo/nights" -name '[0-9]*.json' -exec jq -r '.index.chunks[]' {} +
    } | sort -u | awk '{ print substr($0, 1, 4) "/" $0 ".cacnk" }' |
        (cd "$state/store.castr" && xargs stat -c %s 2>/dev/null || :) | awk '{ n += $1 } END { print n }'
}

office_up
gild init bench >&2
gild-services start >&2
at_exit 'gild-services stop'
measure_upgrade
measure_nights
tap_done=1
