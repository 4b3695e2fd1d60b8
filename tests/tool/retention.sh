#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What runs on another host stays with the publisher, as long as that host was heard of of late.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq

readonly MIB=$((1024 * 1024))
# Ports that nobody else has, below those that connections get.
first_port=$((20000 + ($$ % 1000) * 10 + 5))
declare -A gildd_of=()

add_host ()
{
    mkdir -p "$tmp/$1/run"
    printf '[paths]\nstate=%s\nrun=%s\n[network]\nlisten=127.0.0.1\nport=%s\n[fetch]\nprefetch=never\n' "$tmp/$1/state" \
        "$tmp/$1/run" $((first_port++)) >"$tmp/$1/gild.conf"
}

# at NAME COMMAND…: on that host.
at ()
{
    GILD_CONFIG=$tmp/$1/gild.conf "${@:2}"
}

start ()
{
    GILD_CONFIG=$tmp/$1/gild.conf gildd 2>>"$tmp/$1/gildd.log" &
    gildd_of[$1]=$!
    stop_at_exit "${gildd_of[$1]}"
    wait_for 60 at "$1" gild status || { diag_file "$tmp/$1/gildd.log"; exit 1; }
}

stop_host ()
{
    stop "${gildd_of[$1]}"
    wait "${gildd_of[$1]}" 2>/dev/null || true
}

versions ()
{
    state=$tmp/srv/state versions_on_disk | sed -n 's,^demo/desktop@,,p' | sort -n | tr '\n' ' '
}

publish_versions ()
{
    local i
    for ((i = 0; i < $1; i++)); do
        make_raw "$tmp/disk.raw" $MIB
        at srv publish demo/desktop "$tmp/disk.raw"
    done
}

# srv_knows_of JQ: of pc2 that is true, as srv has heard.
srv_knows_of ()
{
    at srv gild hosts --json 2>/dev/null | jq -e ".hosts[] | select(.name == \"pc2\") | $1" >/dev/null
}

seen_days_ago ()
{
    jq "(.hosts[] | select(.name == \"pc2\")).seen = $1 * 24 * 3600" "$tmp/hosts.json" >"$tmp/srv/state/site/hosts.json"
}

add_host srv
add_host pc2
at srv gild init Office --name srv >"$tmp/init.log" 2>&1 || { diag_file "$tmp/init.log"; exit 1; }
publish_versions 1
start srv
token=$(at srv gild invite --address 127.0.0.1 2>>"$tmp/srv/invite.log")
at pc2 gild join "$token" --name pc2 >"$tmp/join.log" 2>&1 || { diag_file "$tmp/join.log"; exit 1; }
start pc2
cat >"$tmp/pc2/run/desktops/alice.json" <<END
{"format": "gild-pin-1", "name": "alice", "uuid": "4b4c1e8a-5a9c-4a53-bb4c-0d4b4d3f8a01", "overlay": 1073741824, "spill": 0,
 "disks": [{"target": "vda", "image": "demo/desktop", "channel": null, "version": 1, "virtual_size": $MIB,
 "backing": "nbd+unix:///demo/desktop@1?socket=$tmp/pc2/run/nbd.sock"}], "since": "2026-11-20T02:00:00Z"}
END
run_ok 'a host says what its desktops run' wait_for 60 srv_knows_of '.running == ["demo/desktop@1"]'
publish_versions 3
run_ok 'gc on the publisher' at srv gild gc --keep 1
is 'leaves what runs there' "$(versions)" '1 4 '

stop_host srv
run_ok 'without gildd' at srv gild gc --keep 1
is 'as well' "$(versions)" '1 4 '
cp "$tmp/srv/state/site/hosts.json" "$tmp/hosts.json"
echo '{"format": "gild-hosts-1", "hosts": [' >"$tmp/srv/state/site/hosts.json"
run_fails 'a list of hosts that cannot be read' 1 'hosts\.json cannot be read, .* nothing was removed' at srv gild gc --keep 1
is 'nobody knows what they run: nothing goes' "$(versions)" '1 4 '
seen_days_ago 29
run_ok 'a host that was seen 29 days ago' at srv gild gc --keep 1
is 'may run it still' "$(versions)" '1 4 '
seen_days_ago 31
run_ok 'one that was seen 31 days ago' at srv gild gc --keep 1 --dry-run
like 'does not count' "$(cat "$tmp/stdout")" 'would remove demo/desktop@1$'
printf '[gc]\nhosts=40d\n' >>"$tmp/srv/gild.conf"
run_ok 'but with hosts=40d' at srv gild gc --keep 1
is 'it does' "$(versions)" '1 4 '

cp "$tmp/hosts.json" "$tmp/srv/state/site/hosts.json"
start srv
rm "$tmp/pc2/run/desktops/alice.json"
run_ok 'the desktop ends' wait_for 60 srv_knows_of '.running == []'
run_ok 'gc after that' at srv gild gc --keep 1
is 'takes what it ran' "$(versions)" '4 '
done_testing
