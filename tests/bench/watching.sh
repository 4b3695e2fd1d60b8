# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rows: gildd looking after desktops that run under a real libvirtd.

# figures NAME: those that the host has reported.
figures ()
{
    awk -v name="$1" '$1 == name { print $2 }' "$work/figures"
}

rows_of_watching ()
{
    say 'looking after desktops'
    if [ "$(id -u)" != 0 ] || [ ! -d "$build/tests/root" ]; then
        skipped 'gildd, looking after desktops' 'it needs root, and make test-host'
        return
    fi
    env -u GILD_CONFIG builddir="$build" GILD_BENCH_FIGURES="$work/figures" TMPDIR=/var/tmp \
        bash "$here/watching-host.sh" >>"$work/commands.log" 2>&1 </dev/null ||
        die_of "$work/commands.log" 'the desktops failed'
    row 'gildd, 10 idle desktops' '% of a core' "$(figures idle)" '' '' 0.1
    row 'pauses of 1 GiB into 256 MiB' ms "$(figures pauses)" '' '' 1000
    row 'from nbdkit being back to the guest going on' ms "$(figures return | sort -n | sed -n 2p)" '' '' 2000
}
