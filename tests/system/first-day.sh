#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The first day on a real Debian: gild is installed in it with systemd, AppArmor, polkit and libvirt as they come, and
# what README says is done there, in a VM. What the VM says of it on its console are the tests.
[ -n "${outer_net:-}" ] || exec {outer_net}</proc/self/ns/net
export outer_net
. "$(dirname "$0")/lib.sh"
golden=$srcdir/demo/cache/debian-minimal.qcow2
[ -e "$golden" ] || skip_all "there is no $golden: make it with demo/debian-image --minimal"
[ -c /dev/fuse ] && grep -qw fuse /proc/filesystems || skip_all 'this kernel has no FUSE'
[ -b /dev/loop0 ] && [ -c /dev/loop-control ] || skip_all 'there are no loop devices here'
host_up

readonly END_MARK='first-day: end'
here=$(realpath "$(dirname "$0")")
export here build srcdir

# pc_packages: what gild needs to run, and the libraries that came here with those that it is built with.
pc_packages ()
{
    awk '/^\[/ { run = $0 == "[run]" } /^[a-z]/ && run' "$srcdir/demo/packages"
    ldd "$build/gild" "$build/gildd" "$build/nbdkit-gild-plugin.so" | awk '$3 ~ /^\// { print $3 }' | sort -u |
        xargs realpath | sed 's,.*/,*/,' | xargs -n 1 dpkg-query --search 2>/dev/null | sed 's/:.*//' | sort -u
}

# For gild edit: the copy is mounted at $tmp/pc, and this PC's network is there.
install_pc ()
{
    local root=$tmp/pc packages
    mapfile -t packages < <(pc_packages)
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=755 pc "$root/run"
    mkdir -p "$root/run/systemd/resolve" "$root/dev"
    mount --rbind /dev "$root/dev"
    cp /etc/resolv.conf "$root/run/systemd/resolve/stub-resolv.conf"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    in_pc apt-get --quiet update
    in_pc apt-get --quiet --yes --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io install "${packages[@]}" apparmor polkitd jq
    in_pc apt-get clean
    rm "$root/usr/sbin/policy-rc.d"
    cp -a "$build/tests/root/." "$root"
    bash "$srcdir/virt-hooks/apparmor/local-includes" add "$root/etc/apparmor.d"
    install -m 755 "$here/first-day-commands" "$root/root/first-day"
    printf '%s\n' '[Unit]' 'Description=What README says of the first day' '[Service]' Type=oneshot \
        'ExecStart=/root/first-day' StandardOutput=tty StandardError=tty TTYPath=/dev/ttyS0 '[Install]' WantedBy=multi-user.target \
        >"$root/etc/systemd/system/first-day.service"
    in_pc systemctl --quiet mask serial-getty@ttyS0.service
    in_pc systemctl --quiet enable first-day.service
    umount -R "$root/dev" "$root/run" "$root/proc"
}

in_pc ()
{
    chroot "$tmp/pc" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} "$@"
}
export tmp
export -f install_pc in_pc pc_packages

# A function, since its time is bounded by --timeout alone.
check_pc ()
{
    gild check demo/pc --virt-type qemu --memory 1536MiB --timeout 15m --ready "$END_MARK"
}

run_ok 'a Debian' gild publish demo/pc "$golden"
mkdir "$tmp/pc"
run_ok 'gild is installed in it' nsenter --net="/proc/$$/fd/$outer_net" -- gild edit demo/pc --mount "$tmp/pc" -- bash -ec install_pc
run_ok 'it boots' check_pc
console=$state/checks/demo/pc/2/console.log
# A line "first-day: ok WHAT" or "first-day: failed WHAT" for each; what a command said comes before.
while IFS= read -r line; do
    case $line in
    'first-day: ok '*) ok "there: ${line#first-day: ok }" ;;
    'first-day: failed '*) not_ok "there: ${line#first-day: failed }" ;;
    'first-day: said '*) diag "${line#first-day: said }" ;;
    esac
done < <(tr -d '\r' <"$console")
done_testing
