#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# systemd's units: how little their processes may do, by systemd's own measure, and who is in which group.
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
needs systemd-analyze

readonly EXPOSURE_MAX=20 # tenths; from 0 to 100
readonly NIGHT_MAX=70     # of root's, which mounts and installs

# exposure FILE [TENTHS]: what systemd says of the unit. It wants a /run/systemd, which there is not without systemd.
exposure ()
{
    # shellcheck disable=SC2016
    unshare --user --map-root-user --mount bash -c 'mount -t tmpfs run /run &&
        exec systemd-analyze --no-pager security --offline=true --threshold="$1" "$2"' - "${2:-$EXPOSURE_MAX}" "$1"
}

for unit in gildd.service gild-nbd.service gild-serve@.service; do
    file=${builddir:?}/daemon/$unit
    run_ok "$unit exposes at most $EXPOSURE_MAX tenths" exposure "$file"
    diag "$(tail -n 1 "$tmp/stdout")"
    is "$unit runs as gild" "$(sed -n 's/^User=//p' "$file")" gild
    sed '/^CapabilityBoundingSet=/,$d' "$file" >"$tmp/$unit"
    run exposure "$tmp/$unit"
    is 'and without its sandbox more' "$status" 1
done
night=$builddir/daemon/gild-nightly.service
run_ok "gild-nightly.service exposes at most $NIGHT_MAX tenths" exposure "$night" "$NIGHT_MAX"
diag "$(tail -n 1 "$tmp/stdout")"
sed '/^CapabilityBoundingSet=/,$d' "$night" >"$tmp/gild-nightly.service"
run exposure "$tmp/gild-nightly.service" "$NIGHT_MAX"
is 'and without its sandbox more' "$status" 1
for unit in "$night" "$srcdir/daemon/gild-nightly.timer"; do
    run systemd-analyze --no-pager verify --man=no --recursive-errors=no "$unit"
    is "systemd understands $(basename "$unit")" "$(grep -F "$(basename "$unit")" "$tmp/stderr" |
        grep -vE 'not executable|No such file|Failed to (connect|initialize)')" ''
done
run_ok 'its time is one' systemd-analyze calendar "$(sed -n 's/^OnCalendar=//p' "$srcdir/daemon/gild-nightly.timer")"
like 'a night that was missed is caught up' "$(cat "$srcdir/daemon/gild-nightly.timer")" '^Persistent=true$'
like 'nbdkit sees nothing of libvirt' "$(cat "$builddir/daemon/gild-nbd.service")" '^InaccessiblePaths=-%t/libvirt$'
like 'gildd does not wait for libvirtd' "$(cat "$builddir/daemon/gildd.service")" '^Before=libvirtd.service '
unlike 'in no way' "$(cat "$builddir/daemon/gildd.service")" '^(After|Requires|Wants|BindsTo)=.*libvirt'
done_testing
