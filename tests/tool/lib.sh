# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tool tests share: a site of their own, and disks to publish.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# free_port: the next one is in $port, below those that connections get; nobody listens there.
port=$((10000 + RANDOM % 20000))
free_port ()
{
    while port=$((port + 1)); (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
}

# make_raw FILE BYTES: data that does not compress, text, written zeros, holes, and data up to the last byte.
make_raw ()
{
    local file=$1 size=$2 mib=$((1024 * 1024))
    rm -f "$file"
    truncate -s "$size" "$file"
    put "$file" 0 $((size < mib ? size : mib)) /dev/urandom
    [ "$size" -le $((8 * mib)) ] || {
        seq 1 150000 | put "$file" $((3 * mib)) $mib
        put "$file" $((6 * mib)) $mib /dev/zero
    }
    [ "$size" -le 1000 ] || put "$file" $((size - 1000)) 1000 /dev/urandom
}

# put FILE OFFSET BYTES [SOURCE]: write there, from SOURCE or stdin.
put ()
{
    head -c "$3" "${4:-/dev/stdin}" |
        dd of="$1" bs=64k seek="$2" oflag=seek_bytes conv=notrunc status=none
}

# make_qcow2 FILE BYTES: the same as a qcow2.
make_qcow2 ()
{
    make_raw "$1.raw" "$2"
    qemu-img convert -f raw -O qcow2 "$1.raw" "$1"
    rm "$1.raw"
}

# same_disk DESCRIPTION FORMAT_A A FORMAT_B B: the guest sees the same bytes and the same size.
same_disk ()
{
    run_ok "$1" qemu-img compare -f "$2" -F "$4" "$3" "$5"
    is "$1: and as large" "$(disk_size "$2" "$3")" "$(disk_size "$4" "$5")"
}

disk_size ()
{
    qemu-img info --output=json -f "$1" "$2" | jq '."virtual-size"'
}

# publish IMAGE FILE [OPTION…]: as part of the set-up; ends the test if it fails.
publish ()
{
    gild publish "$@" >"$tmp/publish.log" 2>&1 || { cat "$tmp/publish.log" >&2; exit 1; }
}

# state_files: every file of the site's state, but locks, which hold nothing.
state_files ()
{
    (cd "$state" && find . -type f ! -name '.lock*' ! -name 'lock' | sort)
}

# disk_files: image versions that exist, as IMAGE@V, from what is on the disk.
versions_on_disk ()
{
    (cd "$state/images" && find . -name '*.json.sig' ! -name 'channels*' | sed 's,^\./\(.*\)/\([0-9]*\)\.json\.sig$,\1@\2,' | sort)
}

# litter: what neither versions nor the site need: chunks that no index names, files that are neither chunk nor
# record nor a version's profile, directories that somebody has begun to fill, images without a version.
litter ()
{
    local index
    find "$state/images" -name '*.caibx' | while read -r index; do
        tail -c +65 "$index" | od -An -v -tx1 -w40 | tr -d ' ' | cut -c 17-80
        tail -n +3 "${index%.caibx}.json.sig" | jq -r '.index.chunks[]'
    done | sort -u >"$tmp/needed"
    comm -13 "$tmp/needed" <(find "$state/store.castr" -name '*.cacnk' -printf '%f\n' | sed 's/\.cacnk$//' | sort)
    (cd "$state" && find store.castr images -type f ! -name '*.cacnk' ! -name '*.caibx' ! -name '*.json' \
        ! -name '*.json.sig' ! -name '.lock*' ! -name 'lock*' ! -name '*.profile'
    find images -name '*.profile' | while read -r profile; do
        [ -e "${profile%.profile}.json.sig" ] || echo "$profile"
    done
    find . -type d \( -name '.staging-*' -o -name '.site-*' -o -path './images/*' -empty \))
}
