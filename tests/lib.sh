# SPDX-License-Identifier: GPL-2.0-or-later
# TAP for the shell tests: every script in tests/tool and tests/system reads it first.
#
#   . "$(dirname "$0")/../lib.sh"
#   needs qemu-img nbdinfo
#   run_ok 'publish a qcow2' gild publish demo/desktop "$tmp/a.qcow2"
#   is 'its name' "$(cat "$tmp/stdout")" demo/desktop@1
#   run_fails 'an image name with ..' 2 "image name.*'\.\./x'" gild publish ../x "$tmp/a.qcow2"
#   done_testing
#
# A script that ends without done_testing has failed. $tmp is a directory of the script's own, gone at its end.
# Root's tests run as nobody, who may read everything and own nothing, unless tests_as_root=1 was set before.
set -eEu -o pipefail
export LC_ALL=C
unset NOTIFY_SOCKET LISTEN_FDS LISTEN_PID # of whoever runs the tests
umask 022

if [ "$(id -u)" = 0 ] && [ "${tests_as_root:-0}" = 0 ]; then
    exec env -u TMPDIR HOME=/nonexistent setpriv --reuid nobody --regid nogroup --clear-groups \
        --inh-caps -all,+dac_read_search --ambient-caps +dac_read_search -- bash "$0" "$@"
fi
: "${srcdir:=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")}"
export srcdir
[ -z "${builddir:-}" ] || PATH=$builddir:$PATH

tmp=$(mktemp -d "${TMPDIR:-/tmp}/gild-test.XXXXXX")
chmod 755 "$tmp"
export TMPDIR=$tmp
# What a build with sanitizers says of any process is in $tmp/sanitizer.PID. Libraries of the tests may be loaded before.
export ASAN_OPTIONS=log_path=$tmp/sanitizer:verify_asan_link_order=0:${ASAN_OPTIONS:-}
export TSAN_OPTIONS=log_path=$tmp/sanitizer:${TSAN_OPTIONS:-}
tap_count=0 tap_failed=0 tap_main=$BASHPID tap_cleanup=() tap_where='' tap_done=''

# What was started last ends first; the directory goes when nothing uses it any more.
tap_exit ()
{
    local status=$? i
    [ "$BASHPID" = "$tap_main" ] || exit "$status"
    trap - EXIT ERR
    set +e
    [ -n "$tap_done" ] || echo "Bail out! status $status ended the script${tap_where:+ after $tap_where}"
    for ((i = ${#tap_cleanup[@]} - 1; i >= 0; i--)); do
        eval "${tap_cleanup[i]}"
    done >&2
    rm -rf --one-file-system "$tmp"
    exit "$status"
}
trap tap_exit EXIT
trap 'tap_where=$(basename "${BASH_SOURCE[0]}"):$LINENO' ERR
trap 'exit 130' INT
trap 'exit 143' TERM

# at_exit COMMAND: a line of shell to run at the end, whatever happens.
at_exit ()
{
    tap_cleanup+=("$1")
}

# stop PID: end it and wait until it has ended; kill it when it does not.
stop ()
{
    kill "$1" 2>/dev/null || return 0
    wait_for 10 has_ended "$1" || kill -KILL "$1"
}

has_ended ()
{
    ! kill -0 "$1" || [ "$(ps -o stat= -p "$1")" = Z ]
}

# stop_at_exit PID
stop_at_exit ()
{
    at_exit "stop $1"
}

diag ()
{
    local text="$*"
    echo "# ${text//$'\n'/$'\n'# }"
}

# diag_file FILE…: their last lines, for whoever reads a failure.
diag_file ()
{
    local file
    for file; do
        [ ! -s "$file" ] || { diag "$(basename "$file"):"; tail -n 30 "$file" | tr -d '\r' | sed 's/^/#   /'; }
    done
}

ok ()
{
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - ${1//[$'\n'#]/ }"
}

not_ok ()
{
    tap_count=$((tap_count + 1)) tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - ${1//[$'\n'#]/ }"
}

# is DESCRIPTION GOT WANTED
is ()
{
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1"
        diag "got:    $2"
        diag "wanted: $3"
    fi
}

# like DESCRIPTION TEXT REGEX: a line of TEXT matches the extended regular expression.
like ()
{
    if grep -Eq -- "$3" <<<"$2"; then
        ok "$1"
    else
        not_ok "$1"
        diag "got:    $2"
        diag "wanted: $3"
    fi
}

# unlike DESCRIPTION TEXT REGEX
unlike ()
{
    if grep -Eq -- "$3" <<<"$2"; then
        not_ok "$1"
        diag "got:      $2"
        diag "unwanted: $3"
    else
        ok "$1"
    fi
}

# run COMMAND…: its output to $tmp/stdout and $tmp/stderr, its exit status to $status; 124 if a program takes
# longer than five minutes.
run ()
{
    local bound=()
    [ "$(type -t "$1")" != file ] || bound=(timeout --foreground 300)
    status=0
    "${bound[@]}" "$@" >"$tmp/stdout" 2>"$tmp/stderr" </dev/null || status=$?
}

# run_ok DESCRIPTION COMMAND…: it exits 0.
run_ok ()
{
    local description=$1
    shift
    run "$@"
    if [ "$status" = 0 ]; then
        ok "$description"
    else
        not_ok "$description"
        diag "exit status $status: $(cut -c -300 <<<"$*")"
        diag_file "$tmp/stdout" "$tmp/stderr"
    fi
}

# run_fails DESCRIPTION STATUS REGEX COMMAND…: it exits STATUS and a line on stderr matches.
run_fails ()
{
    local description=$1 wanted=$2 regex=$3
    shift 3
    run "$@"
    if [ "$status" = "$wanted" ] && grep -Eq -- "$regex" "$tmp/stderr"; then
        ok "$description"
    else
        not_ok "$description"
        diag "exit status $status, wanted $wanted and on stderr: $regex"
        diag "$(cut -c -300 <<<"$*")"
        diag_file "$tmp/stdout" "$tmp/stderr"
    fi
}

# patient SECONDS: what takes that long on a machine that does nothing else may take so many seconds on one that is busy.
patient ()
{
    echo $(($1 * ${TESTS_PATIENCE:-4}))
}

# wait_for SECONDS COMMAND…: until it succeeds; fails when the time is up, which is patient.
wait_for ()
{
    local end=$((SECONDS + $(patient "$1")))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# skip REASON DESCRIPTION: one test that cannot run here.
skip ()
{
    if [ "${TESTS_MUST_RUN:-0}" = 1 ]; then
        not_ok "$2 (skipped: $1)"
    else
        tap_count=$((tap_count + 1))
        echo "ok $tap_count - $2 # SKIP $1"
    fi
}

# skip_all REASON: the whole script cannot run here.
skip_all ()
{
    if [ "${TESTS_MUST_RUN:-0}" = 1 ]; then
        not_ok "the script has to run, and cannot: $1"
        done_testing
    fi
    tap_done=1
    echo "1..0 # SKIP $1"
    exit 0
}

# needs PROGRAM…
needs ()
{
    local program
    for program; do
        [ -n "$(PATH=$PATH:/usr/sbin:/sbin type -P "$program")" ] || skip_all "$program is not installed"
    done
}

# flip FILE OFFSET: one bit of one byte.
flip ()
{
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059
    printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# new_site [NAME]: a configuration, state and run directory of the test's own, and a site in it.
new_site ()
{
    state=$tmp/state run=$tmp/run
    mkdir -p "$run"
    printf '[paths]\nstate=%s\nrun=%s\n' "$state" "$run" >"$tmp/gild.conf"
    export GILD_CONFIG=$tmp/gild.conf
    gild init "${1:-test-site}" >"$tmp/init.log" 2>&1 || { cat "$tmp/init.log" >&2; return 1; }
}

done_testing ()
{
    local report
    for report in "$tmp"/sanitizer.*; do
        if [ -s "$report" ] && ! grep -q 'does not work under ptrace' "$report"; then
            not_ok "$(basename "$report")"
            diag_file "$report"
        fi
    done
    tap_done=1
    echo "1..$tap_count"
    exit $((tap_failed > 0))
}
