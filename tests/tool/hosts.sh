#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hosts of a site, each a gildd of its own: they hear of each other and of new versions, fetch them whole, stand in for
# the publisher, and take no record that is older than what they have.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq curl

readonly MIB=$((1024 * 1024))
declare -A gildd_of=()

# add_host NAME [CONFIGURATION]
add_host ()
{
    mkdir -p "$tmp/$1/run"
    free_port
    printf '[paths]\nstate=%s\nrun=%s\n[network]\nlisten=127.0.0.1\nport=%s\n%b' "$tmp/$1/state" "$tmp/$1/run" \
        "$port" "${2:-}" >"$tmp/$1/gild.conf"
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
    wait_for 20 at "$1" gild status || { diag_file "$tmp/$1/gildd.log"; exit 1; }
}

stop_host ()
{
    stop "${gildd_of[$1]}"
    wait "${gildd_of[$1]}" 2>/dev/null || true
}

# join NAME: it enters the site of srv and is started.
join ()
{
    local token
    token=$(at srv gild invite --address 127.0.0.1 2>>"$tmp/srv/invite.log")
    at "$1" gild join "$token" --name "$1" >>"$tmp/$1/join.log" 2>&1 || { diag_file "$tmp/$1/join.log"; exit 1; }
    start "$1"
}

# host_says NAME JQ VERB…: what that host prints with --json, through jq, is true.
host_says ()
{
    at "$1" gild "${@:3}" --json 2>/dev/null | jq -e "$2" >/dev/null
}

# comes_true DESCRIPTION SECONDS COMMAND…
comes_true ()
{
    if wait_for "${@:2}"; then
        ok "$1"
    else
        not_ok "$1"
        diag_file "$tmp"/*/gildd.log
    fi
}

has_version ()
{
    host_says "$1" ".images[] | select(.version == $2)" images demo/desktop
}

is_complete ()
{
    host_says "$1" ".images[] | select(.version == $2) | .missing == 0" images demo/desktop
}

serial_of ()
{
    tail -n +3 "$tmp/$1/state/images/demo/desktop/channels.json.sig" | jq .serial
}

has_serial ()
{
    [ "$(serial_of "$1")" = "$2" ]
}

chunks_of ()
{
    find "$tmp/$1/state/store.castr" -name '*.cacnk' | wc -l
}

add_host srv '[department secret]\nhosts=srv*\n'
add_host pc1 '[fetch]\nprefetch=never\n'
add_host pc2 '[fetch]\nprefetch=always\n'
at srv gild init Office --name srv >"$tmp/init.log" 2>&1 || { diag_file "$tmp/init.log"; exit 1; }
make_raw "$tmp/1.raw" $((10 * MIB))
at srv publish demo/desktop "$tmp/1.raw"
make_raw "$tmp/secret.raw" $((2 * MIB))
at srv publish secret/desktop "$tmp/secret.raw"
start srv
join pc1
join pc2

# Records come, chunks do not.
comes_true 'the version is known on a host that joined' 20 has_version pc1 1
run_ok 'gild images there' at pc1 gild images
like 'says what is missing' "$(cat "$tmp/stdout")" 'demo/desktop@1 +production .*MiB missing'
unlike 'but shows nothing of a department that it is not in' "$(cat "$tmp/stdout")" 'secret'
comes_true 'the publisher hears of it' 20 host_says srv '.hosts[] | select(.name == "pc1") | .seen < 45' hosts
comes_true 'and so do other hosts' 20 host_says pc2 '.hosts[] | select(.name == "pc1") | .address == "127.0.0.1"' hosts
run_ok 'gild hosts' at pc1 gild hosts
like 'this host first' "$(sed -n 2p "$tmp/stdout")" '^pc1 +this host +- +now'
like 'and the publisher' "$(cat "$tmp/stdout")" '^srv +127\.0\.0\.1 +publisher +now'
run_fails 'a host that does not exist' 1 'pc9' at pc1 gild hosts pc9
run_fails 'what is not done with a host' 2 'remove NAME' at pc1 gild hosts frobnicate pc2

# A version is fetched whole.
run_ok 'gild fetch' at pc1 gild fetch demo/desktop
is 'says what it has fetched' "$(cat "$tmp/stdout")" 'demo/desktop@1 is offline-ready'
comes_true 'which gild images says too' 20 is_complete pc1 1
run_ok 'every byte of it is whole' at pc1 gild verify demo/desktop
run_ok 'gild fetch of what is there' at pc1 gild fetch demo/desktop@1 --json
is 'fetches nothing' "$(jq -c '[.state, .total]' "$tmp/stdout")" '["complete",0]'
run_fails 'a version that is nowhere' 1 'demo/desktop@9' at pc1 gild fetch demo/desktop@9
run_fails 'an image that is nowhere' 1 'demo/none' at pc1 gild fetch demo/none
run_fails 'an image of another department' 1 'secret/desktop' at pc1 gild fetch secret/desktop

# What its desktops use is completed by itself; and of a next version only what differs.
mkdir -p "$tmp/pc2/run/desktops"
printf '{"format":"gild-pin-1","name":"alice","uuid":"%s","overlay":0,"spill":0,"disks":[%s]}' \
    7c1ff4a4-9f0b-4f3c-a7ec-6e6d0a3d0e11 \
    '{"target":"vda","image":"demo/desktop","channel":"production","version":1}' >"$tmp/pc2/run/desktops/alice.json"
comes_true 'an image that a desktop uses is completed' 40 is_complete pc2 1
before=$(chunks_of pc2)
cp "$tmp/1.raw" "$tmp/2.raw"
put "$tmp/2.raw" $((7 * MIB)) 65536 /dev/urandom
at srv publish demo/desktop "$tmp/2.raw"
comes_true 'and its next version' 40 is_complete pc2 2
is 'of which a chunk of the disk and one of the index differ' "$(($(chunks_of pc2) - before))" 2
comes_true 'a host whose desktops do not use it knows of it' 20 has_version pc1 2
like 'and has fetched what its index needs' "$(at pc1 gild images demo/desktop --json | jq -c '[.images[].missing]')" \
    '^\[0,(0|65536)\]$' # the chunk of the disk too where it is that chunk's home: pc2 has asked it

# A replica stands in for the publisher.
run_ok 'gild replica' at pc1 gild replica demo/desktop
comes_true 'completes all versions' 40 is_complete pc1 2
comes_true 'and is an origin' 30 host_says pc2 '.hosts[] | select(.name == "pc1") | .origin and (.publisher | not)' hosts
cp -r "$tmp/srv/state/images/demo/desktop" "$tmp/old-records"
at srv publish demo/desktop "$tmp/1.raw" --note third
comes_true 'the replica has the next version' 40 is_complete pc1 3

# What channels name moves back and forth everywhere; what runs goes on with what it has.
update_waits ()
{
    curl -s --unix-socket "$tmp/$1/run/gildd.sock" http://gildd/desktops | jq -ce ".desktops[0].update == $2"
}
names ()
{
    host_says "$1" ".images[] | select(.version == $2) | .channels == [\"production\"]" images demo/desktop
}
comes_true 'a desktop that runs has an update waiting' 20 update_waits pc2 '["demo/desktop@3"]'
run_ok 'gild rollback' at srv gild rollback demo/desktop
comes_true 'reaches another host' 30 names pc1 2
comes_true 'and one more' 30 update_waits pc2 '["demo/desktop@2"]'
run_ok 'gild promote' at srv gild promote demo/desktop@3 --note again
comes_true 'does too' 30 names pc1 3
is 'with its history' "$(at pc1 gild images demo/desktop --history --json | jq -c '[.history[-2:][] | [.action, .note]]')" \
    '[["rollback",""],["promote","again"]]'
run_fails 'another host cannot' 1 'no publisher' at pc1 gild rollback demo/desktop

stop_host srv
stop_host pc2
find "$tmp/pc2/state/store.castr" -name '*.cacnk' -delete
start pc2
run_ok 'with the publisher gone a version is fetched' at pc2 gild fetch demo/desktop
is 'whole' "$(cat "$tmp/stdout")" 'demo/desktop@3 is offline-ready'
run_ok 'every byte of it' at pc2 gild verify demo/desktop@3

# Records go forward only, also on the publisher, which was put back to what it was.
serial=$(serial_of pc1)
cp "$tmp/old-records"/channels.json* "$tmp/srv/state/images/demo/desktop"
is 'the publisher has an older record' "$(($(serial_of srv) < serial))" 1
start srv
comes_true 'the replica gives it the newer one' 30 has_serial srv "$serial"
is 'and has kept its own' "$(serial_of pc1)" "$serial"

# Who is shut out is not spoken to.
run_ok 'gild hosts remove' at srv gild hosts remove pc2
unlike 'takes it off the list' "$(at srv gild hosts)" '^pc2'
comes_true 'and the host hears no more' 30 host_says pc2 '.trouble' hosts
run_fails 'a host that is no more' 1 'pc2' at srv gild hosts remove pc2

# With no origin there, a complete version is as complete.
stop_host srv
run_ok 'no longer a replica' at pc1 gild replica demo/desktop --remove
comes_true 'no origin answers' 30 host_says pc1 '.trouble' hosts
like 'which gild hosts says' "$(at pc1 gild hosts)" '^no origin answers: '
run_ok 'gild fetch of what is there' at pc1 gild fetch demo/desktop
is 'says so' "$(cat "$tmp/stdout")" 'demo/desktop@3 is offline-ready'

# A host that keeps nothing for others keeps to its limit; what production names stays.
is 'all versions are there' "$(at pc1 gild images demo/desktop --json | jq -c '[.images[].version]')" '[1,2,3]'
stop_host pc1
printf '[store]\nlimit=1MiB\n' >>"$tmp/pc1/gild.conf"
start pc1
comes_true 'past its limit a host lets old versions go' 30 host_says pc1 '[.images[].version] == [3]' images demo/desktop
run_ok 'and no other' at pc1 gild verify demo/desktop@3
done_testing
