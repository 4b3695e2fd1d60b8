#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Joining a site and being shut out of it: tokens, names, certificates, with a gildd for each host.
. "$(dirname "$0")/lib.sh"
needs curl jq openssl

readonly MIB=$((1024 * 1024))
declare -A port_of=() gildd_pid=()

# add_host NAME: a configuration and directories of its own.
add_host ()
{
    mkdir -p "$tmp/$1/run"
    free_port
    port_of[$1]=$port
    printf '[paths]\nstate=%s\nrun=%s\n[network]\nlisten=127.0.0.1\nport=%s\n' "$tmp/$1/state" "$tmp/$1/run" \
        "$port" >"$tmp/$1/gild.conf"
}

# on HOST COMMAND…
on ()
{
    GILD_CONFIG=$tmp/$1/gild.conf "${@:2}"
}

start_gildd ()
{
    GILD_CONFIG=$tmp/$1/gild.conf gildd >>"$tmp/$1/gildd.log" 2>&1 &
    gildd_pid[$1]=$!
    stop_at_exit "$!"
    wait_for 20 on "$1" gild status || { diag_file "$tmp/$1/gildd.log"; exit 1; }
}

# from HOST PATH [CURL-OPTION…]: what pc1 answers to HOST; the status in $code.
from ()
{
    local site=$tmp/$1/state/site
    code=$(curl -sS --max-time 20 -o "$tmp/answer" -w '%{http_code}' --cacert "$site/ca.pem" --cert "$site/host.pem" \
        --key "$site/host-key.pem" --connect-to "::127.0.0.1:${port_of[pc1]}" "${@:3}" \
        "https://pc1.gild.internal:${port_of[pc1]}$2" 2>"$tmp/curl.log") || code="none: $(cat "$tmp/curl.log")"
}

invite ()
{
    token=$(on pc1 gild invite "$@" 2>"$tmp/invite.log") || { cat "$tmp/invite.log"; exit 1; }
}

# no_site HOST: it belongs to none, and nothing was begun.
no_site ()
{
    is "$1 belongs to no site" "$(find "$tmp/$1/state" -name '*site*' 2>/dev/null)" ''
}

# removed_at HOST: its list of removed hosts is not empty.
removed_at ()
{
    [ -s "$tmp/$1/state/site/crl.pem" ]
}

test_refused ()
{
    local bad
    add_host pc2
    run_fails 'invite on a host of no site' 1 'belongs to no site' on pc2 gild invite
    run_fails 'invite for no time' 2 'from 1 to 720' on pc1 gild invite --hours=0
    run_fails 'invite for an address that is none' 2 'is no name' on pc1 gild invite --address='pc 1'
    for bad in '' gild1:// http://127.0.0.1/ "gild1://127.0.0.1:${port_of[pc1]}/x/y"; do
        run_fails "a token '$bad'" 2 'not a token' on pc2 gild join "$bad"
    done
    invite
    like 'the token has the address' "$token" "^gild1://127\.0\.0\.1:${port_of[pc1]}/[A-Za-z0-9_-]{43}/[A-Za-z0-9_-]{22}$"
    run_fails 'a name that is none' 2 "'PC 2' is not" on pc2 gild join --name='PC 2' "$token"
    run_fails 'a wrong fingerprint' 1 'nothing was sent' on pc2 gild join --name=pc2 "${token/:${port_of[pc1]}\/????/:${port_of[pc1]}\/AAAA}"
    run_fails 'nobody at that address' 1 'no host of a site answers' on pc2 gild join --name=pc2 \
        "${token/:${port_of[pc1]}/:1}"
    run_fails 'a wrong secret' 1 'does not know the token' on pc2 gild join --name=pc2 "${token%/*}/AAAAAAAAAAAAAAAAAAAAAA"
    run_fails 'a name that is taken' 1 'there is a host pc1 already.*--name' on pc2 gild join --name=pc1 "$token"
    no_site pc2
}

test_join ()
{
    run_ok 'none of that has used the token up' on pc2 gild join --name=pc2 "$token"
    like 'it says of which site' "$(cat "$tmp/stdout")" '^this host is pc2 of site Smith & Sons$'
    like 'and what to do next' "$(cat "$tmp/stderr")" 'gild-services start'
    run_ok 'its certificate is of the CA' openssl verify -CAfile "$tmp/pc1/state/site/ca.pem" "$tmp/pc2/state/site/host.pem"
    is 'its key is nobody else'\''s' "$(stat -c %a "$tmp/pc2/state/site/host-key.pem")" 600
    is 'it has no key of the site' "$(cd "$tmp/pc2/state/site" && ls site.sec ca-key.pem 2>/dev/null)" ''
    run_fails 'once' 1 'belongs to a site already' on pc2 gild join --name=pc2 "$token"
    add_host pc3
    run_fails 'a token that was used' 1 'used already' on pc3 gild join --name=pc3 "$token"
    no_site pc3
    invite --hours=2
    local file
    for file in "$tmp"/pc1/state/site/invitations/*.json; do
        sed -i 's/"expires" : "[^"]*"/"expires" : "2026-01-02T03:04:05Z"/' "$file"
    done
    run_fails 'a token that has expired' 1 'has expired, at 2026-01-02T03:04:05Z' on pc3 gild join --name=pc3 "$token"
    no_site pc3
}

test_records ()
{
    start_gildd pc2
    run_ok 'it gets the records' wait_for 30 test -e "$tmp/pc2/state/images/demo/desktop/channels.json.sig"
    add_host pc3
    mkdir -p "$tmp/pc3/state"
    start_gildd pc3 # it finds out by itself that it belongs to a site
    invite
    run_ok 'a host whose gildd runs waits for them' on pc3 gild join --name=pc3 "$token"
    run_ok 'and has them' test -e "$tmp/pc3/state/images/demo/desktop/channels.json.sig"
    run_ok 'the publisher hears of both' wait_for 30 bash -c \
        "[ \"\$(GILD_CONFIG='$tmp/pc1/gild.conf' gild hosts --json | jq -c '[.hosts[].name]')\" = '[\"pc1\",\"pc2\",\"pc3\"]' ]"
    from pc2 /crl.pem
    is 'there is no list of removed hosts yet' "$code" 404
}

# off_by SECONDS: programs started from now on have a clock that is wrong.
off_by ()
{
    export CLOCK_OFF=$1 LD_PRELOAD=$builddir/tests/tool/other-clock.so
    local wrong=$(($(date +%s) - $(env -u LD_PRELOAD date +%s) - $1))
    run_ok "the clock is off by $1 s" test "${wrong#-}" -le 2
}

right_clock ()
{
    unset CLOCK_OFF LD_PRELOAD
}

test_clocks ()
{
    local off host
    for off in -86400 86400; do
        host=pc$off
        add_host "$host"
        invite
        off_by "$off"
        run_ok 'a PC joins all the same' on "$host" gild join --name="late$((off < 0))" "$token"
        start_gildd "$host"
        right_clock
        run_ok 'and gets the records' wait_for 30 test -e "$tmp/$host/state/images/demo/desktop/channels.json.sig"
    done
    add_host pc5
    invite
    off_by $((-90 * 86400))
    run_fails 'a clock that is months off is told of' 1 'is not valid yet, by the clock of this PC, which says 2' \
        on pc5 gild join --name=pc5 "$token"
    right_clock
    run_ok 'and the token is good still' on pc5 gild join --name=pc5 "$token"
}

test_removal ()
{
    run_fails 'removing a host that there is not' 1 'no host called pc7' on pc1 gild hosts remove pc7
    run_fails 'removing the publisher itself' 1 'pc1 is this host' on pc1 gild hosts remove pc1
    run_fails 'removing at a host that is no publisher' 1 'no publisher' on pc3 gild hosts remove pc2
    run_ok 'removing pc2' on pc1 gild hosts remove pc2
    from pc2 /images/demo/desktop/channels.json.sig
    like 'it is answered no more' "$code" '^(403|none)'
    from pc3 /images/demo/desktop/channels.json.sig
    is 'another is' "$code" 200
    run_ok 'which hears of it at once' wait_for 5 removed_at pc3
    invite
    run_ok 'its name is free' on pc2 bash -c "rm -r '$tmp/pc2/state/site' && gild join --name=pc2 '$token'"
    from pc2 /images/demo/desktop/channels.json.sig
    is 'and the PC is answered again' "$code" 200
    run_ok 'by the list that it got it is not removed' openssl verify -CAfile "$tmp/pc2/state/site/ca.pem" \
        -crl_check -CRLfile "$tmp/pc2/state/site/crl.pem" "$tmp/pc2/state/site/host.pem"
}

add_host pc1
on pc1 gild init 'Smith & Sons' --name=pc1 >"$tmp/init.log" 2>&1
make_raw "$tmp/disk.raw" $MIB
on pc1 gild publish demo/desktop "$tmp/disk.raw" --format=raw >"$tmp/publish.log" 2>&1
run_fails 'invite while gildd does not run' 1 'gildd does not answer' on pc1 gild invite
start_gildd pc1
test_refused
test_join
test_records
test_removal
test_clocks
diag_file "$tmp"/pc?/gildd.log
done_testing
