# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rows: collecting what no version needs, in a store of a million chunks.

readonly COLLECT_CHUNKS=1000000 COLLECT_VERSIONS=30 COLLECT_CHANGES=2000

# make_numbered FILE CHUNKS: a disk of so many chunks, no two alike, in a file with 4 KiB for each.
make_numbered ()
{
    perl -e 'my ($path, $n) = @ARGV;
        open my $file, ">", $path or die "$path: $!\n";
        truncate $file, $n << 16;
        for my $i (0 .. $n - 1) { sysseek $file, $i << 16, 0; syswrite $file, pack "Q", $i + 1; }' "$1" "$2"
}

# change_places VERSION CHUNKS: what the edit to VERSION writes, to $work/collect-commands: 4 KiB into so many chunks.
change_places ()
{
    head -c 4096 /dev/urandom >"$work/collect-4k"
    seq 0 $((COLLECT_CHANGES - 1)) | awk -v n="$2" -v version="$1" -v source="$work/collect-4k" '
        { printf "write -q -s %s %.0f 4k\n", source, ($1 * int (n / '$COLLECT_CHANGES') + version) * 65536 + 8192 }' >"$work/collect-commands"
}

# Its first version has what the later ones add to, so that all have $COLLECT_CHUNKS together.
collect_needs ()
{
    local first=$((COLLECT_CHUNKS - (COLLECT_VERSIONS - 1) * COLLECT_CHANGES)) version
    new_state
    make_numbered "$work/numbered.raw" $first
    "${as_user[@]}" gild publish bench/numbered "$work/numbered.raw" --format raw >>"$work/commands.log" 2>&1 ||
        die_of "$work/commands.log" 'gild publish'
    rm "$work/numbered.raw"
    start "$run/nbd.sock" "${as_user[@]}" nbdkit --foreground --readonly --unix "$run/nbd.sock" "$plugin" "config=$GILD_CONFIG"
    for ((version = 2; version <= COLLECT_VERSIONS; version++)); do
        change_places $version $first
        # shellcheck disable=SC2016
        "${as_user[@]}" gild edit bench/numbered -- sh -c 'qemu-io -f qcow2 -d unmap "$GILD_DISK" <"$1" >/dev/null' - \
            "$work/collect-commands" >>"$work/commands.log" 2>&1 || die_of "$work/commands.log" 'gild edit'
    done
    stop_all
}

# collect KEEP: its seconds in $elapsed, its memory in MiB in $memory_mib.
collect ()
{
    "${as_user[@]}" /usr/bin/python3 -c '
import resource, subprocess, sys, time
start = time.monotonic()
subprocess.run(["gild", "gc", "--keep", sys.argv[1]], check=True, stdout=sys.stderr)
print(time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)' "$1" \
        >"$work/collected" 2>>"$work/commands.log" || die_of "$work/commands.log" 'gild gc'
    read -r elapsed memory_mib <"$work/collected"
}

measure_collect_nothing ()
{
    collect $COLLECT_VERSIONS
}

rows_of_collecting ()
{
    local chunks
    say 'collecting'
    collect_needs
    chunks=$(find "$work/state/store.castr" -name '*.cacnk' | wc -l)
    alternate "$rounds" collect_nothing
    row "gc of $chunks chunks, nothing to remove" s "$(result collect_nothing)" '' '' 20
    row 'its memory' MiB "$memory_mib" '' '' 256
    collect $((COLLECT_VERSIONS / 2))
    row "gc that removes $((chunks - $(find "$work/state/store.castr" -name '*.cacnk' | wc -l))) of them" s "$elapsed" '' '' 20
    row 'its memory' MiB "$memory_mib" '' '' 256
    put_aside "$work/state"
}
