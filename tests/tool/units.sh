#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# systemd's units: how little their processes may do, by systemd's own measure, and who is in which group.
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
needs systemd-analyze

readonly EXPOSURE_MAX=20 # tenths; from 0 to 100

for unit in gildd.service gild-nbd.service; do
    file=${builddir:?}/daemon/$unit
    run_ok "$unit exposes at most $EXPOSURE_MAX tenths" \
        systemd-analyze --no-pager security --offline=true --threshold=$EXPOSURE_MAX "$file"
    diag "$(tail -n 1 "$tmp/stdout")"
    is "$unit runs as gild" "$(sed -n 's/^User=//p' "$file")" gild
    sed '/^CapabilityBoundingSet=/,$d' "$file" >"$tmp/$unit"
    run systemd-analyze --no-pager security --offline=true --threshold=$EXPOSURE_MAX "$tmp/$unit"
    is 'and without its sandbox more' "$status" 1
done
like 'nbdkit sees nothing of libvirt' "$(cat "$builddir/daemon/gild-nbd.service")" '^InaccessiblePaths=-%t/libvirt$'
like 'gildd does not wait for libvirtd' "$(cat "$builddir/daemon/gildd.service")" '^Before=libvirtd.service '
unlike 'in no way' "$(cat "$builddir/daemon/gildd.service")" '^(After|Requires|Wants|BindsTo)=.*libvirt'
done_testing
