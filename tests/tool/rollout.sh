#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Staged rollouts over several hosts: on, only where desktops come up; back by itself where they do not; paused, stopped,
# and through a gildd that is killed. What each gildd would count of its desktops' boots is written in its place.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq curl

readonly MIB=$((1024 * 1024)) IMAGE=demo/desktop
first_port=$((20000 + ($$ % 1000) * 10))
declare -A gildd_of=()

add_host ()
{
    mkdir -p "$tmp/$1/run/desktops"
    printf '[paths]\nstate=%s\nrun=%s\n[network]\nlisten=127.0.0.1\nport=%s\n[fetch]\nprefetch=never\n' "$tmp/$1/state" \
        "$tmp/$1/run" $((first_port++)) >"$tmp/$1/gild.conf"
}

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

kill_gildd ()
{
    kill -KILL "${gildd_of[$1]}"
    wait "${gildd_of[$1]}" 2>/dev/null || true
}

join ()
{
    local token
    token=$(at srv gild invite --address 127.0.0.1 2>>"$tmp/srv/invite.log")
    at "$1" gild join "$token" --name "$1" >>"$tmp/$1/join.log" 2>&1 || { diag_file "$tmp/$1/join.log"; exit 1; }
    # A desktop that runs version 1.
    printf '{"format":"gild-pin-1","name":"alice","uuid":"%s","overlay":0,"spill":0,"disks":[%s]}' \
        7c1ff4a4-9f0b-4f3c-a7ec-6e6d0a3d0e11 \
        '{"target":"vda","image":"demo/desktop","channel":"production","version":1}' >"$tmp/$1/run/desktops/alice.json"
    start "$1"
}

comes_true ()
{
    if wait_for "${@:2}"; then
        ok "$1"
    else
        not_ok "$1"
        diag "$(at srv gild promote --status $IMAGE 2>&1)"
        diag_file "$tmp"/*/gildd.log
    fi
}

nothing_is_signed ()
{
    [ -z "$(find "$tmp/srv/state/images/$IMAGE/rollout" -name '*.sig')" ]
}

# bucket VERSION HOST: as rollout-bucket.h has it.
bucket ()
{
    local hash
    hash=$(printf '%s@%s %s' $IMAGE "$1" "$2" | sha256sum | cut -c -16)
    echo "$(((0x${hash:0:8} % 100 * 96 + 0x${hash:8:8}) % 100))" # 2^32 modulo 100 is 96
}

# first VERSION: the PC that its rollouts reach first, and in $share the percentage for that one alone.
first ()
{
    local a b
    a=$(bucket "$1" pc1) b=$(bucket "$1" pc2)
    [ "$a" -lt "$b" ] && early=pc1 late=pc2 share=$((a + 1)) || early=pc2 late=pc1 share=$((b + 1))
}

# next_start HOST: what its desktop boots next, where that is not what it runs.
next_start ()
{
    curl -s --unix-socket "$tmp/$1/run/gildd.sock" http://gildd/desktops | jq -r '.desktops[0].update[0] // "the same"'
}

boots_next ()
{
    [ "$(next_start "$1")" = "$2" ]
}

shows_share ()
{
    at "$1" gild images $IMAGE | grep -E "@2 +production \\($share %\\)"
}

# has_booted HOST VERSION STARTED UP LATE CRASHES, after 20 good boots of version 1
has_booted ()
{
    local version="{\"ref\":\"$IMAGE@1\",\"started\":20,\"up\":20,\"late\":0,\"gone\":0,\"resets\":0,\"crashes\":0}"
    version+=",{\"ref\":\"$IMAGE@$2\",\"started\":$3,\"up\":$4,\"late\":$5,\"gone\":0,\"resets\":0,\"crashes\":$6}"
    echo "{\"format\":\"gild-boots-1\",\"versions\":[$version],\"running\":[]}" >"$tmp/$1/new.json"
    mv "$tmp/$1/new.json" "$tmp/$1/state/images/boots.json"
}

# status JQ: of the rollout.
status ()
{
    at srv gild promote --status $IMAGE --json | jq -c "$1"
}

status_is ()
{
    [ "$(status "$1")" = "$2" ]
}

history ()
{
    at "$1" gild images $IMAGE --history --json | jq -c "$2"
}

serial ()
{
    tail -n +3 "$tmp/srv/state/images/$IMAGE/channels.json.sig" | jq .serial
}

for host in srv pc1 pc2; do
    add_host $host
done
at srv gild init Office --name srv >"$tmp/init.log" 2>&1 || { diag_file "$tmp/init.log"; exit 1; }
make_raw "$tmp/disk.raw" $MIB
for channel in production test test; do
    put "$tmp/disk.raw" 0 65536 /dev/urandom
    at srv publish $IMAGE "$tmp/disk.raw" --channel $channel
done
before=$(serial)
run_fails 'a stage that is none' 2 'stages' at srv gild promote $IMAGE@2 --stage 5%,x
run_fails 'stages that do not end with all' 2 '100%' at srv gild promote $IMAGE@2 --stage 5%,25%
run_fails 'a time that is none' 2 'soon' at srv gild promote $IMAGE@2 --stage 5%,100% --wait soon
run_fails '--wait without stages' 2 '--stage' at srv gild promote $IMAGE@2 --wait 5m
run_fails 'two things at once' 2 'exclude' at srv gild promote $IMAGE --pause --stop
run_fails 'a version to stop' 2 'alone' at srv gild promote $IMAGE@2 --stop
run_fails 'to stop what does not go on' 1 'no rollout' at srv gild promote $IMAGE --stop
run_fails 'to pause it' 1 'no rollout' at srv gild promote $IMAGE --pause
run_fails 'a version that is not there' 1 'there is: 1, 2, 3' at srv gild promote $IMAGE@9 --stage 5%,100%
run_fails 'what the channel names already' 1 'already' at srv gild promote $IMAGE@1 --stage 5%,100%
run_fails 'a channel that is not there' 1 'no channel new' at srv gild promote $IMAGE@1 --channel new --stage 5%,100%
is 'none of it changed anything' "$(serial)" "$before"
start srv
join pc1
join pc2
comes_true 'both know the versions' 30 test -e "$tmp/pc2/state/images/$IMAGE/3.json.sig"
comes_true 'both' 30 test -e "$tmp/pc1/state/images/$IMAGE/3.json.sig"

# One stage, then all: what lies between is a desktop that has come up.
first 2
run_ok 'gild promote --stage' at srv gild promote $IMAGE@2 --stage "$share%,100%" --wait 2s --note tested
like 'says how it stands' "$(cat "$tmp/stdout")" "rollout of $IMAGE@2 into production is going at stage 1 of 2, $share %"
comes_true 'a PC of the stage boots it next' 30 boots_next $early $IMAGE@2
is 'the other does not' "$(next_start $late)" 'the same'
comes_true 'gild images says so there too' 30 shows_share $late
for change in "promote $IMAGE@3" "rollback $IMAGE" "publish $IMAGE $tmp/disk.raw --channel test" \
    "promote $IMAGE@3 --stage 5,100"; do
    # shellcheck disable=SC2086
    run_fails "gild ${change%% *} meanwhile" 1 'promote --stop demo/desktop' at srv gild $change
done
run_ok 'nothing that it needs is collected' at srv gild gc --keep 1
is 'but the rest' "$(at srv gild images $IMAGE --json | jq -c '[.images[].version]')" '[1,2,3]'
comes_true 'nobody has started it: it waits' 20 status_is .why '"no desktop of the stage has come up on it yet"'
kill_gildd srv
start srv
sleep 3 # longer than its turn takes
is 'also after gildd was killed' "$(status '[.state, .stage]')" '["going",1]'
run_ok 'gild promote --pause' at srv gild promote --pause $IMAGE
has_booted $early 2 1 1 0 0
comes_true 'paused it stays, though one has come up' 30 status_is .why '"it is paused"'
is 'at its stage' "$(status '[.state, .stage]')" '["paused",1]'
run_ok 'gild promote --resume' at srv gild promote --resume $IMAGE
comes_true 'it goes on, to all' 30 boots_next $late $IMAGE@2
is 'and is done' "$(status .state)" '"done"'
is 'the history has all of it' "$(history $late '[.history[-2:][] | [.action, .version, .from, .note]]')" \
    "[[\"stage\",2,1,\"$share % of the hosts: tested\"],[\"promote\",2,1,\"100 % of the hosts: tested\"]]"
comes_true 'what was signed for it goes' 30 nothing_is_signed
run_ok 'gild rollback goes behind it' at srv gild rollback $IMAGE
is 'by a serial that no stage had' "$(serial)" $((before + 4))
comes_true 'everywhere' 30 boots_next $late 'the same'

# Stopped by command.
first 3
run_ok 'another one' at srv gild promote $IMAGE@3 --stage "$share,100" --wait 1h
comes_true 'reaches a PC' 30 boots_next $early $IMAGE@3
run_ok 'gild promote --stop' at srv gild promote --stop $IMAGE --note 'not now'
comes_true 'takes it back' 30 boots_next $early 'the same'
is 'as the history says' "$(history srv '.history[-1] | [.action, .version, .from, .note]')" '["stop",1,3,"not now"]'
is 'and --status' "$(status .state)" '"stopped"'

# A version that does not come up.
run_ok 'once more, for long' at srv gild promote $IMAGE@3 --stage "$share,100" --wait 1h
comes_true 'it reaches a PC' 30 boots_next $early $IMAGE@3
has_booted $early 3 2 1 1 0
comes_true 'where one desktop does not come up: it goes back by itself' 30 boots_next $early 'the same'
is 'which --status says' "$(status .state)" '"back"'
like 'with why, and where' "$(at srv gild images $IMAGE)" \
    "rollout of $IMAGE@3 into production went back to @1: 1 of 2 desktops .*have not come up.*\\($early\\)"
is 'and the history' "$(history $early '.history[-1] | [.action, .version, .from, .note]')" \
    '["back",1,3,"went back by itself: its desktops did not come up"]'
like 'and the log' "$(cat "$tmp/srv/gildd.log")" 'goes back to @1: 1 of 2 desktops'
run_ok 'after that all goes on as ever' at srv gild promote $IMAGE@3
run_ok 'every record is signed' at srv gild verify $IMAGE
done_testing
