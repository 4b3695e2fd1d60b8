# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the torture tests share: a site on a disk that can be cut off, filled or broken, and whether it is sound.
#
# TORTURE_COUNT in the environment is how often a script does what it does; without it, a short form of some seconds.
# Everything is in memory where there is a /dev/shm: many small files come and go.
#
# What goes wrong at one point is in $wrong, and becomes one line of TAP by `point`.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
# shellcheck source=tests/tool/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tool/lib.sh"
needs qemu-img jq

tmp=$(realpath "$tmp")
readonly layer_library=$builddir/tests/torture/disk-layer.so
disk=$tmp/disk state=$disk/state run=$tmp/run
# In front of a command: what it does below $disk goes through the layer (disk-layer.c).
layer=(env DISK_LAYER_ROOT="$disk" LD_PRELOAD="$layer_library${LD_PRELOAD:+:$LD_PRELOAD}")
front=() wrong='' tolerated=''
[ -r "$layer_library" ] || skip_all 'tests/torture/disk-layer.so is not built: make check builds it'

# new_disk: with nothing on it, and a configuration that puts the state there.
new_disk ()
{
    rm -rf "$disk"
    mkdir -p "$disk" "$run"
    printf '[paths]\nstate=%s\nrun=%s\n' "$state" "$run" >"$tmp/gild.conf"
    export GILD_CONFIG=$tmp/gild.conf
}

# make_disks: a to d and next; b is little else than a.
make_disks ()
{
    local name
    for name in a b c d next; do
        make_raw "$tmp/$name.raw" 200000
    done
    cp "$tmp/a.raw" "$tmp/b.raw"
    put "$tmp/b.raw" 70000 100 /dev/urandom
}

# quietly COMMAND…: what it says is in $tmp/said, and if it fails in $wrong as well.
quietly ()
{
    local status=0
    { timeout --foreground 120 "$@" || status=$?; } >"$tmp/said" 2>&1 </dev/null
    [ "$status" = 0 ] || wrong=${wrong:-"exit status $status of $*: $(tail -n 3 "$tmp/said")"}
    return "$status"
}

# publish_disk IMAGE RAW: by way of the layer where $front says so.
publish_disk ()
{
    expect "$@"
    quietly "${front[@]}" gild publish "$@"
}

# expect IMAGE RAW: the next version of IMAGE, if it comes about, has the bytes of RAW.
expect ()
{
    local last
    last=$(versions_of "$1" | tail -n 1)
    mkdir -p "$tmp/bytes/$1"
    cp "$2" "$tmp/bytes/$1/$((${last:-0} + 1)).raw"
}

# operate OPERATION: do it, by way of the layer where $front says so.
operate ()
{
    case $1 in
    init) quietly "${front[@]}" gild init torture ;;
    first) publish_disk one/disk "$tmp/a.raw" ;;
    second) publish_disk one/disk "$tmp/b.raw" ;;
    known) publish_disk two/disk "$tmp/c.raw" ;;
    gc | again | mend) quietly "${front[@]}" gild gc --keep 1 ;;
    esac
}

# image_of OPERATION
image_of ()
{
    case $1 in
    known) echo two/disk ;;
    *) echo one/disk ;;
    esac
}

# outcome OPERATION: what it changes, as the disk has it: if there is a site, what the channel names, which versions.
outcome ()
{
    case $1 in
    init) [ ! -e "$state/site" ] || echo there ;;
    first | second | known) channel_of "$(image_of "$1")" ;;
    *) versions_of one/disk ;;
    esac
}

versions_of ()
{
    [ ! -d "$state/images/$1" ] || find "$state/images/$1" -name '*.json.sig' ! -name 'channels*' -printf '%f\n' |
        sed 's/\.json\.sig$//' | sort -n
}

# channel_of IMAGE: the version that its channel names; nothing if there is none.
channel_of ()
{
    [ ! -e "$state/images/$1/channels.json.sig" ] ||
        tail -n +3 "$state/images/$1/channels.json.sig" | jq -r '.channels.production'
}

# make_litter: what crashes leave. Texts that are older than their records, chunks and files that nobody needs.
make_litter ()
{
    local last
    last=$(channel_of one/disk)
    echo '{}' >"$state/images/one/disk/channels.json"
    rm "$state/images/one/disk/$last.json"
    mkdir "$state/store.castr/.staging-abcdef"
    echo part >"$state/store.castr/.staging-abcdef/0000"
    echo index >"$state/images/one/disk/99.caibx"
    echo part >"$state/images/one/disk/99.json.sig.abcdef"
    mkdir -p "$state/images/no/disk"
}

# make_profile: the first version of one/disk has a boot profile, which those after it inherit.
make_profile ()
{
    echo '{"format":"gild-profile-1","image":"one/disk","version":1,"boots":3,"positions":[1,0]}' >"$state/images/one/disk/1.profile"
}

# profiles_whole: a boot profile may be lost, and is never there in part.
profiles_whole ()
{
    local profile
    for profile in "$state"/images/*/*/[0-9]*.profile; do
        [ ! -e "$profile" ] || jq -e '.format == "gild-profile-1" and (.positions | length > 0)' "$profile" >/dev/null || {
            wrong="$profile: $(cat "$profile")"
            return 1
        }
    done
}

# is_old_or_new OPERATION OLD NEW: the disk has the one outcome or the other; which is in $which.
is_old_or_new ()
{
    local is
    is=$(outcome "$1")
    which=old
    if [ "$is" = "$3" ]; then
        which=new
    elif [ "$is" != "$2" ] && { [[ $1 != gc && $1 != again ]] || ! is_between "$is" "$2" "$3"; }; then
        wrong="neither the old state nor the new one: $is"
        return 1
    fi
    # A first publish that ended before the channel: there is a version that nothing names, until the next publish.
    tolerated=''
    [ -n "$is" ] || tolerated='its channel record is missing'
}

# is_between IS BEFORE AFTER: gc has removed some of the versions that were to go, and none that was to stay.
is_between ()
{
    [ -z "$(comm -13 <(sort <<<"$2") <(sort <<<"$1"))$(comm -23 <(sort <<<"$3") <(sort <<<"$1"))" ]
}

# sound: every version that is there is whole, and each channel names one. A record counts when its .sig is there;
# that its text is late is what the next gc mends. What $tolerated says is no fault either.
sound ()
{
    local status=0
    timeout --foreground 120 gild verify --json >"$tmp/verified" 2>"$tmp/said" </dev/null || status=$?
    [ "$status" = 0 ] || [ "$status" = 3 ] || { wrong="verify: $(cat "$tmp/said")"; return 1; }
    wrong=$(jq -r '.problems[]' "$tmp/verified" | grep -v -e 'writes it anew' ${tolerated:+-e "$tolerated"} || :)
    [ -z "$wrong" ]
}

# same_bytes IMAGE VERSION: it is what was published.
same_bytes ()
{
    rm -f "$tmp/out.qcow2"
    quietly gild export "$1@$2" "$tmp/out.qcow2" &&
        quietly qemu-img compare -f raw -F qcow2 "$tmp/bytes/$1/$2.raw" "$tmp/out.qcow2"
}

# all_bytes_right: of each version that there is.
all_bytes_right ()
{
    local version
    for version in $(versions_on_disk); do
        same_bytes "${version%@*}" "${version#*@}" || return 1
    done
}

# settles IMAGE: gc leaves nothing that is not needed, and what the channel names is what was published.
settles ()
{
    local left
    quietly gild gc && quietly gild verify && same_bytes "$1" "$(channel_of "$1")" || return 1
    left=$(litter)
    wrong=${left:+"litter: $left"}
    [ -z "$left" ]
}

# point DESCRIPTION: a line of TAP.
point ()
{
    if [ -z "$wrong" ]; then
        ok "$1"
    else
        not_ok "$1"
        diag "$wrong"
        diag "$(cd "$disk" && find . -printf '%p %s\n' | sort)"
    fi
    wrong=''
}
