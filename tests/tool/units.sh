#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# systemd's units: how little their processes may do, by systemd's own measure, and who is in which group.
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
needs systemd-analyze

readonly EXPOSURE_MAX=20 # tenths; from 0 to 100

# exposure FILE: what systemd says of the unit. It wants a /run/systemd, which there is not without systemd.
exposure ()
{
    # shellcheck disable=SC2016
    unshare --user --map-root-user --mount bash -c 'mount -t tmpfs run /run &&
        exec systemd-analyze --no-pager security --offline=true --threshold="$1" "$2"' - "$EXPOSURE_MAX" "$1"
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
like 'nbdkit sees nothing of libvirt' "$(cat "$builddir/daemon/gild-nbd.service")" '^InaccessiblePaths=-%t/libvirt$'
like 'gildd does not wait for libvirtd' "$(cat "$builddir/daemon/gildd.service")" '^Before=libvirtd.service '
unlike 'in no way' "$(cat "$builddir/daemon/gildd.service")" '^(After|Requires|Wants|BindsTo)=.*libvirt'
done_testing
