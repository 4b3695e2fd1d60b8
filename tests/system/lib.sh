# SPDX-License-Identifier: GPL-2.0-or-later
# A host of the test's own: real libvirtd, gildd and nbdkit in namespaces, so that nothing of this PC's is touched.
#
# Whoever reads it finds themselves in new mount, PID and network namespaces, in which what was installed below
# $builddir/tests/root stands in place over /usr and /etc, and /run, /etc, /var/lib, /var/log and /var/cache take no
# writes of this PC's. Everything that a script starts ends with it.
if [ "$(id -u)" = 0 ] && [ -z "${GILD_TEST_HOST:-}" ]; then
    GILD_TEST_HOST=1 exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
        --net --uts -- bash "$0" "$@"
fi
unset GILD_TEST_HOST
build=${builddir:-}
unset builddir GILD_CONFIG
# shellcheck disable=SC2034
tests_as_root=1
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LIBVIRT_DEFAULT_URI=qemu:///system

readonly TEST_NAMESPACE=urn:gild:desktop:1
run=/run/gild state=/var/lib/gild
guest_files=$build/tests/guest
declare -A guest_tty=() guest_told=()

host_needs ()
{
    [ "$(id -u)" = 0 ] || skip_all 'it needs root'
    needs libvirtd virtlogd virsh qemu-system-x86_64 qemu-img nbdkit
    [ -n "$build" ] && [ -d "$build/tests/root" ] ||
        skip_all "there is no installed tree in ${build:-\$builddir}/tests/root: run it with make check-system"
    [ -e "$build/tests/root/etc/libvirt/hooks/qemu.d/gild" ] ||
        skip_all 'the build is not for --prefix=/usr --sysconfdir=/etc --localstatedir=/var'
}

# What is written to DIRECTORY stays in the test's memory.
overlay_directory ()
{
    local upper=$tmp/host$1
    mkdir -p "$upper/upper" "$upper/work"
    chmod --reference="$1" "$upper/upper"
    mount -t overlay "gild-test" -o "lowerdir=${2:-}$1,upperdir=$upper/upper,workdir=$upper/work" "$1"
}

make_private ()
{
    local dir
    mkdir "$tmp/host"
    mount -t tmpfs -o mode=755 gild-test "$tmp/host"
    at_exit 'umount -l "$tmp/host"'
    for dir in /etc /var/lib /var/log /var/cache; do
        overlay_directory "$dir"
    done
    mount -t tmpfs -o mode=755 gild-test /run
    mkdir -p /run/lock
    for dir in lib log cache; do
        mkdir -p "/var/$dir/libvirt"
        mount -t tmpfs -o mode=755 gild-test "/var/$dir/libvirt"
    done
    mkdir -p /etc/libvirt/qemu /etc/libvirt/hooks /var/lib/libvirt/boot /var/log/libvirt/qemu
    mount -t tmpfs gild-test /etc/libvirt/qemu
    mount -t tmpfs gild-test /etc/libvirt/hooks
    hide_kvm
    # No control groups: this PC's are none of the test's business.
    ! mountpoint -q /sys/fs/cgroup || umount -R -l /sys/fs/cgroup
    ip link set lo up
}

# A nested PC may have a /dev/kvm that does not work; and where the node is root's alone, libvirt would probe QEMU
# anew, for many seconds, at each request. So this /dev has all but that.
hide_kvm ()
{
    local entry
    [ -e /dev/kvm ] || return 0
    mkdir "$tmp/host/dev"
    mount -t tmpfs -o mode=755 gild-test "$tmp/host/dev"
    for entry in /dev/*; do
        if mountpoint -q "$entry"; then
            mkdir "$tmp/host$entry"
            mount --rbind "$entry" "$tmp/host$entry"
        elif [ "$entry" != /dev/kvm ]; then
            cp -a "$entry" "$tmp/host$entry"
        fi
    done
    ! mountpoint -q /dev || umount -R -l /dev
    mount --move "$tmp/host/dev" /dev
}

# The store is on a real file system, as big as it has to be.
install_gild ()
{
    mount -t overlay gild-test -o "lowerdir=$build/tests/root/usr:/usr" /usr
    cp -a "$build/tests/root/etc/." /etc
    getent passwd gild >/dev/null ||
        useradd --system --user-group --home-dir "$state" --no-create-home --shell /usr/sbin/nologin gild
    mkdir -p "$tmp/state" "$state"
    mount --bind "$tmp/state" "$state"
}

start_libvirt ()
{
    [ ! -e /sys/module/apparmor/parameters/enabled ] || ! grep -q Y /sys/module/apparmor/parameters/enabled ||
        echo 'security_driver = "none"' >>/etc/libvirt/qemu.conf
    virtlogd >"$tmp/virtlogd.log" 2>&1 &
    stop_at_exit $!
    wait_for 10 test -S /run/libvirt/virtlogd-sock
    start_libvirtd
    at_exit 'stop "$libvirtd_pid"'
    at_exit destroy_domains
}

start_libvirtd ()
{
    libvirtd --timeout 0 --config "$srcdir/demo/libvirtd.conf" >"$tmp/libvirtd.log" 2>&1 &
    libvirtd_pid=$!
    wait_for 30 virsh version || { diag_file "$tmp/libvirtd.log"; return 1; }
}

restart_libvirtd ()
{
    stop "$libvirtd_pid"
    start_libvirtd
}

destroy_domains ()
{
    local domain
    for domain in $(virsh list --name); do
        virsh -q destroy "$domain" >/dev/null
    done
}

# host_up: all of it, with a site in it, and the small guest's kernel where QEMU can read it.
host_up ()
{
    host_needs
    make_private
    install_gild
    start_libvirt
    cp "$guest_files/vmlinuz" "$guest_files/initrd.img" /var/lib/libvirt/boot
    gild init test-site >"$tmp/init.log" 2>&1 || { diag_file "$tmp/init.log"; return 1; }
    start_services || { diag_file "$run/gildd.log" "$run/nbdkit.log"; return 1; }
    at_exit 'gild-services stop'
}

# stop_service NAME and start_services: gildd or nbdkit alone goes, and comes back.
stop_service ()
{
    stop "$(cat "$run/$1.pid")"
}

# child_of NAME: the process of gildd or nbdkit, below what keeps it up; between two of them there is none.
child_of ()
{
    pgrep -P "$(cat "$run/$1.pid")"
}

kill_service ()
{
    kill -KILL "$(child_of "$1")" 2>/dev/null || :
}

kill_libvirtd ()
{
    kill -KILL "$libvirtd_pid"
    wait "$libvirtd_pid" 2>/dev/null || :
    start_libvirtd
}

start_services ()
{
    gild-services start
}

# template DISK…: a template for the small guest with DISKs, each the attributes of a gild:disk, to stdout.
# $desktop_attributes are those of gild:desktop.
template ()
{
    local disk
    cat <<END
<domain type='qemu'>
  <name>template</name>
  <metadata>
    <gild:desktop xmlns:gild="$TEST_NAMESPACE" ${desktop_attributes:-}>
$(for disk; do echo "      <gild:disk $disk/>"; done)
    </gild:desktop>
  </metadata>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>/var/lib/libvirt/boot/vmlinuz</kernel>
    <initrd>/var/lib/libvirt/boot/initrd.img</initrd>
    <cmdline>console=ttyS0 quiet panic=-1</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <on_crash>destroy</on_crash>
  <devices>
$(for disk; do template_disk "$disk"; done)
    <serial type='pty'/>
    <memballoon model='none'/>
  </devices>
</domain>
END
}

template_disk ()
{
    local target
    target=$(sed -n "s/.*target=[\"']\([a-z]*\)[\"'].*/\1/p" <<<"$1")
    cat <<END
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='unsafe' discard='unmap' detect_zeroes='unmap'
              error_policy='stop' rerror_policy='stop'/>
      <source file='/run/gild/desktops/template/$target.qcow2'/>
      <target dev='$target' bus='virtio'/>
    </disk>
END
}

# guest_up NAME: wait until the small guest answers on its console; once after each start.
guest_up ()
{
    local tty fd
    tty=$(virsh ttyconsole "$1")
    exec {fd}<>"$tty"
    stty -F "$tty" raw -echo
    guest_tty[$1]=$fd
    guest_lines "$1" '@ready' >/dev/null
    guest_run "$1" true
}

# guest_tell NAME ID COMMAND: as guest-init has it.
guest_tell ()
{
    guest_told[$1]="$2 ${#3} $3"
    echo "${guest_told[$1]}" >&"${guest_tty[$1]}"
}

# guest_run NAME COMMAND: run it in the guest; its output and its exit status. Fails after $guest_seconds (60), patient.
guest_run ()
{
    local id=$RANDOM last=''
    guest_tell "$1" "$id" "$2"
    guest_lines "$1" "@done $id *" && return "${last##* }"
}

# guest_start NAME COMMAND: run it in the guest, which may pause before it could answer.
guest_start ()
{
    guest_tell "$1" 0 "($2) &"
}

# guest_lines NAME PATTERN: what the guest says up to a line that matches, which goes to $last.
guest_lines ()
{
    local line seconds
    seconds=$(patient "${guest_seconds:-60}")
    local end=$((SECONDS + seconds))
    while [ "$SECONDS" -lt "$end" ]; do
        IFS= read -r -t 5 -u "${guest_tty[$1]}" line || { is_on "$1" && continue; return 124; }
        line=${line%$'\r'}
        echo "$line" >>"$tmp/$1.console"
        [[ $line != @again ]] || echo "${guest_told[$1]}" >&"${guest_tty[$1]}"
        # shellcheck disable=SC2053
        if [[ $line == $2 ]]; then
            last=$line
            return 0
        fi
        [[ $line == @ready || $line == @again ]] || echo "$line"
    done
    echo "guest $1 says no '$2' within $seconds seconds" >&2
    return 124
}

guest_forget ()
{
    local fd=${guest_tty[$1]:-}
    [ -z "$fd" ] || exec {fd}>&-
    unset "guest_tty[$1]"
}

is_on ()
{
    [ "$(virsh domstate "$1" 2>/dev/null)" != 'shut off' ]
}

is_off ()
{
    [ "$(virsh domstate "$1" 2>/dev/null)" = 'shut off' ]
}

# guest_down NAME: the guest turns itself off, as a person's desktop does.
guest_down ()
{
    guest_tell "$1" 0 'sync; poweroff -f'
    wait_for 60 is_off "$1"
    guest_forget "$1"
}

is_paused ()
{
    [ "$(virsh domstate "$1")" = paused ]
}

# condition NAME and notice NAME: what gildd says of the desktop.
condition ()
{
    gild desktops --json | jq -r --arg name "$1" '.desktops[] | select(.name == $name) | .condition'
}

notice ()
{
    gild desktops --json | jq -r --arg name "$1" '.desktops[] | select(.name == $name) | .notice'
}

is_in_condition ()
{
    [ "$(condition "$1")" = "$2" ]
}

# disk_errors NAME: what the guest's kernel says of its disk.
disk_errors ()
{
    guest_run "$1" 'dmesg | grep -iE "i/o error|ext4-fs error|aborting" || echo none'
}

# checksum_said NAME: that of a command which was started and says @end behind it.
checksum_said ()
{
    guest_lines "$1" @end | grep -oE '^[0-9a-f]{32,64}'
}

is_clean ()
{
    [ ! -e "$run/desktops/$1" ] && [ ! -e "$run/desktops/$1.json" ]
}

# leaves_nothing DESCRIPTION NAME: soon no overlay, no mount, no pin and no QEMU of this desktop.
leaves_nothing ()
{
    local left=''
    wait_for 10 is_clean "$2" || :
    ! mountpoint -q "$run/desktops/$2" || left+=" a mount;"
    [ ! -e "$run/desktops/$2" ] || left+=" $run/desktops/$2;"
    [ ! -e "$run/desktops/$2.json" ] || left+=" the pin;"
    ! virsh list --name | grep -x "$2" >/dev/null || left+=" a running domain;"
    is "$1" "$left" ''
}

# define NAME TEMPLATE_FILE [OPTION…]
define ()
{
    gild define "$2" "$1" --virt-type qemu "${@:3}" >"$tmp/define.log" 2>&1 || { cat "$tmp/define.log" >&2; return 1; }
}
