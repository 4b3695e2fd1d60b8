# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rows: what a real security upgrade costs a PC that has the version before, and many of them the store; against
# casync, rsync and a compressed qcow2 for each.

# mirror_of RELEASE: where apt on this PC has it from.
mirror_of ()
{
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 2>/dev/null | awk -v release="$1" '$1 == release { print $2; exit }'
}

rows_of_updating ()
{
    local main security
    say 'a security upgrade (casync, rsync, qemu-img)'
    main=$(mirror_of bookworm) security=$(mirror_of bookworm-security)
    if [ "$(id -u)" != 0 ] || ! type -P rsync >/dev/null || [ ! -d "$build/tests/root" ] || [ -z "$main" ] || [ -z "$security" ]; then
        skipped 'a security upgrade' 'it needs root, make test-host, rsync, and the mirrors of Debian 12 in apt'
        return
    fi
    # The point release as it came out: what was upgraded since is what the night upgrades.
    DEBIAN_MIRROR=$main "$here/../../demo/debian-image" --minimal "$work/release.qcow2"
    : >"$work/figures"
    env -u GILD_CONFIG builddir="$build" GILD_BENCH_FIGURES="$work/figures" GILD_BENCH_IMAGE="$work/release.qcow2" \
        GILD_BENCH_SECURITY="$security" TMPDIR=/var/tmp bash "$here/updating-host.sh" >>"$work/commands.log" 2>&1 </dev/null || {
        say 'the upgrade ended early:'
        tail -n 20 "$work/commands.log" >&2
    }
    updating_row bytes 'a security upgrade, to a PC with the parent' bytes "$(figure bytes)" "casync's store grows by" "$(figure casync-bytes)" 1
    updating_row bytes 'the same' bytes "$(figure bytes)" rsync "$(figure rsync-bytes)" 0.35
    updating_row bytes 'the same' bytes "$(figure bytes)" 'rsync -z' "$(figure rsync-z-bytes)" 0.9
    updating_row seconds 'from old to new, over 1 Gbit/s' s "$(figure seconds)" 'casync extract --seed' "$(figure casync-seconds)" '>=10'
    updating_row nights-bytes '30 nights kept' bytes "$(figure nights-bytes)" '30 zstd qcow2' "$(figure nights-qcow2-bytes)" 0.15
}

# updating_row NAME ROW…: a row, if the upgrade has come so far as to report NAME.
updating_row ()
{
    [ -n "$(figure "$1")" ] || { skipped "$2" 'the upgrade did not come so far'; return 0; }
    row "${@:2}"
}
