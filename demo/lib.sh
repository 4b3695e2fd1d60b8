# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# For scripts that show what they do on this PC: commands with their times, what the PC can do, libvirtd.

step_number=0
step ()
{
    step_number=$((step_number + 1))
    printf '\n=== %d. %s ===\n' "$step_number" "$*"
}

say ()
{
    printf '%s\n' "$*"
}

# The words as one would type them.
show_command ()
{
    local word line=''
    for word; do
        [[ $word =~ ^[A-Za-z0-9_@%+=:,./-]+$ ]] || word="'${word//\'/\'\\\'\'}'"
        line+=" $word"
    done
    printf '$%s\n' "$line"
}

seconds_since ()
{
    awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", to - from }'
}

# timed COMMAND…: run it and say how long it took.
timed ()
{
    local from=$EPOCHREALTIME status=0
    "$@" || status=$?
    printf '  (%s)\n' "$(seconds_since "$from")"
    return "$status"
}

run ()
{
    show_command "$@"
    timed "$@"
}

has_systemd ()
{
    [ -d /run/systemd/system ]
}

# A nested PC may have a /dev/kvm that opens and then hangs the guest; its processor then lacks the flag.
kvm_works ()
{
    [ -c /dev/kvm ] && [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo
}

# wait_for SECONDS COMMAND…: until it succeeds; fails when the time is up.
wait_for ()
{
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.2
    done
}

libvirtd_answers ()
{
    virsh --quiet --connect qemu:///system uri >/dev/null 2>&1
}

# libvirt fills the /dev that it gives to QEMU from a process that enters QEMU's mount namespace, which also
# leaves a chroot: in one, the devices end up outside.
readonly QEMU_CONF=/etc/libvirt/qemu.conf QEMU_CONF_LINE='namespaces = [] # set by quickstart, for a chroot'
is_chroot ()
{
    [ "$(nsenter --mount=/proc/self/ns/mnt stat --format=%d:%i /)" != "$(stat --format=%d:%i /)" ]
}

allow_chroot ()
{
    ! is_chroot || grep -qxF "$QEMU_CONF_LINE" "$QEMU_CONF" || echo "$QEMU_CONF_LINE" >>"$QEMU_CONF"
}

forget_chroot ()
{
    ! grep -qxF "$QEMU_CONF_LINE" "$QEMU_CONF" || sed -i '/set by quickstart, for a chroot$/d' "$QEMU_CONF"
}

LIBVIRTD_CONF=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/libvirtd.conf
readonly LIBVIRTD_CONF

# Without systemd: start what is not running. Descriptors 8 and 9 are the caller's own, not for daemons.
start_libvirtd ()
{
    allow_chroot
    start_daemon virtlogd
    start_daemon libvirtd --config "$LIBVIRTD_CONF"
    wait_for 30 libvirtd_answers
}

# start_daemon NAME OPTION…
start_daemon ()
{
    ! is_running "$1" || return 0
    rm -f "/run/$1.pid"
    "/usr/sbin/$1" --daemon "${@:2}" 8>&- 9>&-
}

# end_daemon NAME: by its pid file, and wait for it.
end_daemon ()
{
    local pid
    is_running "$1" || return 0
    pid=$(cat "/run/$1.pid")
    kill "$pid"
    wait_for 15 has_ended "$pid"
}

is_running ()
{
    [ -r "/run/$1.pid" ] && [ "$(cat "/proc/$(cat "/run/$1.pid")/comm" 2>/dev/null)" = "$1" ]
}

has_ended ()
{
    [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}
