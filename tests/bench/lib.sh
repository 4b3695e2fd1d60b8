# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the rows of the benchmark share: processes, time, medians, and the table itself.

# Everything runs on the same two cores, whoever has more.
first_core=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
second_core=$(taskset -cp $$ | sed 's/.*: //; s/.*[,-]//')
both_cores=$first_core,$second_core
taskset -cp "$both_cores" $$ >/dev/null

# use_both_cores: as many requests at once can. use_one_core_each: one request at a time takes up to four times as
# long when the scheduler has server and client on different cores, so who is where has to be said.
use_both_cores () { server_cores=$both_cores client_cores=$both_cores; }
use_one_core_each () { server_cores=$first_core client_cores=$second_core; }
use_both_cores

started=()

# The last first: nbdkit ends when its clients have.
stop_all ()
{
    local i
    for ((i = ${#started[@]} - 1; i >= 0; i--)); do
        kill "${started[i]}" 2>/dev/null || true
        wait "${started[i]}" 2>/dev/null || true
    done
    started=()
}

die ()
{
    echo "run-bench: $*" >&2
    exit 1
}

# die_of LOG REASON…: with what the log says last.
die_of ()
{
    tail -n 5 "$1" >&2
    die "${@:2}"
}

say ()
{
    echo "$*" >&2
}

# Root lends itself to nobody, as the service has a user of its own.
as_user=()
[ "$(id -u)" != 0 ] || as_user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)

wait_for ()
{
    local end=$((SECONDS + 20))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt $end ] || die_of "$work/servers.log" "waited in vain: $*"
        sleep 0.02
    done
}

# start SOCKET COMMAND…: a server, until stop_all; its process is $server_pid.
start ()
{
    local socket=$1
    shift
    rm -f "$socket"
    taskset -c "$server_cores" "$@" >>"$work/servers.log" 2>&1 &
    server_pid=$!
    started+=("$server_pid")
    wait_for test -S "$socket"
}

serve_gild ()
{
    uri="nbd+unix:///$published?socket=$work/gild.sock"
    start "$work/gild.sock" "${as_user[@]}" nbdkit --foreground --readonly --unix "$work/gild.sock" \
        "$plugin" "config=$GILD_CONFIG" "$@"
}

serve_qcow2 ()
{
    uri="nbd+unix:///?socket=$work/qemu.sock"
    start "$work/qemu.sock" qemu-nbd --read-only --persistent --shared=16 --format=qcow2 --socket="$work/qemu.sock" "$1"
}

# timed COMMAND…: its seconds in $elapsed.
timed ()
{
    local start=$EPOCHREALTIME
    "$@" >>"$work/commands.log" 2>&1 || die_of "$work/commands.log" "failed: $*"
    elapsed=$(calculate "$EPOCHREALTIME - $start")
}

calculate ()
{
    awk "BEGIN { printf \"%.6f\", $1 }"
}

# median FILE: of the numbers in it, one a line.
median ()
{
    sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%.6f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# alternate ROUNDS NAME…: calls measure_NAME in turn, each of which sets $elapsed; its median is then
# $(result NAME).
alternate ()
{
    local rounds=$1 round name
    shift
    for name; do
        : >"$work/times.$name"
    done
    for ((round = 0; round < rounds; round++)); do
        for name; do
            "measure_$name"
            echo "$elapsed" >>"$work/times.$name"
        done
    done
}

result ()
{
    median "$work/times.$1"
}

# row WHAT UNIT OURS PEER_NAME PEER LIMIT: OURS / PEER has to be at most LIMIT, or with ">=LIMIT" PEER / OURS
# at least that; with PEER_NAME empty OURS itself is held against LIMIT; with no number in LIMIT nothing is.
row ()
{
    local what=$1 unit=$2 ours=$3 peer_name=$4 peer=$5 limit=$6 ratio='' value met relation='<='
    value=$ours
    if [ -n "$peer_name" ]; then
        case $limit in
        '>='*) ratio=$(calculate "$peer / $ours") ;;
        *) ratio=$(calculate "$ours / $peer") ;;
        esac
        value=$ratio
    fi
    [ "${limit#>=}" = "$limit" ] || relation='>='
    case $limit in
    '' | '>=') met=- relation='' limit=- ;;
    *) met=$(awk "BEGIN { print ($value $relation ${limit#>=} ? \"met\" : \"missed\") }") ;;
    esac
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$what" "$unit" "$ours" "${peer_name:--}" "${peer:--}" "${ratio:--}" \
        "${relation:+$relation }${limit#>=}" "$met" >>"$work/rows"
    tail -n 1 "$work/rows" | print_text >&2
}

# skipped WHAT WHY
skipped ()
{
    printf '%s\t-\t-\t-\t-\t-\t-\tskipped: %s\n' "$1" "$2" >>"$work/rows"
    tail -n 1 "$work/rows" | print_text >&2
}

print_header ()
{
    printf '%-46s %16s  %-32s %8s  %-9s %s\n' what gild peer ratio goal ''
}

print_text ()
{
    awk -F '\t' 'function number (v) { return v == "-" ? v : sprintf (v < 100 ? "%.3g" : "%.0f", v) }
        { unit = $2 == "-" ? "" : " " $2
          peer = $4 == "-" ? "-" : $4 " " number($5) unit
          printf "%-46s %16s  %-32s %8s  %-9s %s\n", $1, number($3) unit, peer, number($6), $7, $8 }'
}

print_json ()
{
    awk -F '\t' 'function value (v) { return v == "-" ? "null" : v + 0 "" }
        function text (v) { gsub(/["\\]/, "\\\\&", v); return v == "-" ? "null" : "\"" v "\"" }
        BEGIN { print "[" }
        { printf "%s  {\"what\": %s, \"unit\": %s, \"gild\": %s, \"peer_name\": %s, \"peer\": %s, \"ratio\": %s, \"goal\": %s, \"result\": %s}",
            NR > 1 ? ",\n" : "", text($1), text($2), value($3), text($4), value($5), value($6), text($7), text($8) }
        END { print "\n]" }'
}
