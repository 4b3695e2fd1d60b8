#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gildd: its control socket, what a desktop is to boot, and pins that outlive it.
. "$(dirname "$0")/lib.sh"
needs curl jq nbdkit qemu-img unshare

readonly MIB=$((1024 * 1024)) UUID=7c1ff4a4-9f0b-4f3c-a7ec-6e6d0a3d0e11
readonly DISK='{"target":"vda","image":"demo/desktop"}'
readonly PREPARE="{\"uuid\":\"$UUID\",\"disks\":[$DISK]}"

# configure MORE: gild.conf with MORE in it.
configure ()
{
    export GILD_CONFIG=$tmp/gild.conf
    printf '[paths]\nstate=%s\nrun=%s\n%b' "$state" "$run" "$1" >"$GILD_CONFIG"
}

start_gildd ()
{
    gildd 2>>"$tmp/gildd.log" &
    gildd=$!
    stop_at_exit "$gildd"
    wait_for 20 curl -sf --unix-socket "$sock" http://gild/desktops || { diag_file "$tmp/gildd.log"; exit 1; }
}

restart_gildd ()
{
    kill "$1" "$gildd"
    wait "$gildd" 2>/dev/null || true
    start_gildd
}

start_nbdkit ()
{
    rm -f "$run/nbd.sock"
    "$(PATH=$PATH:/usr/sbin type -P nbdkit)" --foreground --readonly --unix "$run/nbd.sock" \
        "${GILD_NBDKIT_PLUGIN:?}" config="$GILD_CONFIG" 2>>"$tmp/nbdkit.log" &
    nbdkit=$!
    stop_at_exit "$nbdkit"
    wait_for 20 test -S "$run/nbd.sock" || { diag_file "$tmp/nbdkit.log"; exit 1; }
}

# call METHOD PATH [BODY [CURL-OPTION…]]: the status in $code, the answer in $tmp/answer.
call ()
{
    local options=(-sS --max-time 20 --unix-socket "$sock" -o "$tmp/answer" -w '%{http_code}' -X "$1")
    [ -z "${3:-}" ] || options+=(--data-binary "$3")
    : >"$tmp/answer"
    code=$(curl "${options[@]}" "${@:4}" "http://gild$2") || true
}

# answers DESCRIPTION CODE JQ METHOD PATH [BODY]: it answers CODE, and JQ of the answer is true.
answers ()
{
    call "${@:4}"
    if [ "$code" = "$2" ] && jq -e "$3" <"$tmp/answer" >/dev/null; then
        ok "$1"
    else
        not_ok "$1"
        diag "status $code, wanted $2 and $3"
        diag_file "$tmp/answer"
    fi
}

# refuses DESCRIPTION CODE REGEX METHOD PATH [BODY]: it answers CODE and a sentence that matches.
refuses ()
{
    answers "$1" "$2" "keys == [\"error\"] and (.error | test (\"$3\"))" "${@:4}"
}

# prepares DESCRIPTION NAME BODY JQ
prepares ()
{
    answers "$1" 200 "$4" POST "/desktops/$2/prepare" "$3"
}

# one_disk MEMBERS: a request with one disk of the image demo/desktop and MEMBERS.
one_disk ()
{
    echo "{\"uuid\":\"$UUID\",\"disks\":[{\"target\":\"vda\",\"image\":\"demo/desktop\"$1}]}"
}

pins ()
{
    (cd "$run/desktops" && find . -name '*.json' | sort | tr '\n' ' ')
}

publish_one ()
{
    make_raw "$tmp/disk.raw" "$1"
    publish demo/desktop "$tmp/disk.raw" "${@:2}"
}

test_root ()
{
    if unshare --map-root-user true 2>/dev/null; then
        run_fails 'root is refused' 1 'not for root.*gild-services start' unshare --map-root-user gildd
    else
        skip 'user namespaces are not allowed' 'root is refused'
    fi
}

test_no_site ()
{
    start_gildd
    answers 'without a site there is a status' 200 \
        ".site == null and .images == 0 and .desktops == 0 and .state == \"$state\" and .run == \"$run\" and (.version | test (\"^[0-9]\"))" \
        GET /status
    refuses 'without a site nothing is prepared' 404 'no site.*gild init' POST /desktops/pc1/prepare "$PREPARE"
    gild init 'test site' >/dev/null 2>&1
    answers 'a site is noticed' 200 '.site == "test site" and .images == 0' GET /status
    publish_one $((3 * MIB))
    answers 'an image is noticed' 200 '.images == 1' GET /status
}

test_no_nbdkit ()
{
    refuses 'without nbd.sock nothing is prepared' 500 \
        'nbdkit does not answer at .*nbd.sock .No such file.*gild-services start' POST /desktops/pc1/prepare "$PREPARE"
    start_nbdkit
    kill -9 "$nbdkit"
    wait "$nbdkit" 2>/dev/null || true
    refuses 'with a socket that a dead nbdkit left, nothing is prepared' 500 \
        'nbdkit does not answer at .*nbd.sock .Connection refused' POST /desktops/pc1/prepare "$PREPARE"
    is 'and nothing is pinned' "$(pins)" ''
    start_nbdkit
}

default_cap ()
{
    local pages bytes
    pages=$(getconf _PHYS_PAGES)
    bytes=$((pages * $(getconf PAGESIZE) / 8))
    bytes=$((bytes < 512 * MIB ? 512 * MIB : bytes))
    echo $((bytes > 4096 * MIB ? 4096 * MIB : bytes))
}

test_prepare ()
{
    prepares 'a desktop is prepared' pc1 "$PREPARE" \
        "(.since | test (\"^20..-..-..T..:..:..Z$\")) and del (.since) == {
            name: \"pc1\", uuid: \"$UUID\", overlay: .overlay, spill: $((20 * 1024 * MIB)), disks: [{
                target: \"vda\", image: \"demo/desktop\", channel: \"production\", version: 1,
                virtual_size: $((3 * MIB)),
                backing: \"nbd+unix:///demo/desktop@1?socket=$run/nbd.sock\"}]}"
    is 'the pin says the same' "$(jq -S 'del (.format)' <"$run/desktops/pc1.json")" "$(jq -S . <"$tmp/answer")"
    is 'its cap is an eighth of the memory, within bounds' "$(jq .overlay <"$tmp/answer")" \
        "$(default_cap)"
    is 'the backing is the image' \
        "$(qemu-img info --output=json "$(jq -r '.disks[0].backing' <"$tmp/answer")" | jq '."virtual-size"')" $((3 * MIB))
    answers 'it is listed' 200 '.desktops | length == 1 and .[0].name == "pc1" and .[0].disks[0].version == 1' \
        GET /desktops
    answers 'it is counted' 200 '.desktops == 1' GET /status
    prepares 'sizes of its own' pc2 "{\"uuid\":\"$UUID\",\"overlay\":10485760,\"spill\":0,\"disks\":[$DISK]}" \
        '.overlay == 10485760 and .spill == 0'
    answers 'a release' 200 '. == {}' DELETE /desktops/pc2
    answers 'a release of what is not pinned' 200 '. == {}' DELETE /desktops/pc2
    is 'one pin is left' "$(pins)" './pc1.json '
}

test_versions ()
{
    publish_one $((4 * MIB)) --channel test
    prepares 'another channel' pc3 "$(one_disk ',"channel":"test"')" '.disks[0] | .version == 2 and .channel == "test"'
    prepares 'production stays' pc3 "$PREPARE" '.disks[0].version == 1'
    prepares 'a version of its own' pc3 "$(one_disk ',"version":2')" '.disks[0] | .version == 2 and .channel == null'
    is 'the newest pin counts' "$(jq '.disks[0].version' <"$run/desktops/pc3.json")" 2
    prepares 'two disks' pc3 "{\"uuid\":\"$UUID\",\"disks\":[$DISK,{\"target\":\"vdb\",\"image\":\"demo/desktop\",\"version\":2}]}" \
        '[.disks[].version] == [1, 2] and [.disks[].target] == ["vda", "vdb"]'
    refuses 'an image that is not there' 404 'desktop pc3, disk vda: .*demo/nothing.*gild images' \
        POST /desktops/pc3/prepare "{\"uuid\":\"$UUID\",\"disks\":[{\"target\":\"vda\",\"image\":\"demo/nothing\"}]}"
    refuses 'a version that is not there' 404 'demo/desktop@9' POST /desktops/pc3/prepare "$(one_disk ',"version":9')"
    refuses 'a channel that is not there' 404 'no channel night' \
        POST /desktops/pc3/prepare "$(one_disk ',"channel":"night"')"
    is 'what is refused leaves the pin' "$(jq -c '[.disks[].version]' <"$run/desktops/pc3.json")" '[1,2]'
    publish_one $((3 * MIB))
    publish_one $((3 * MIB))
    gild gc --keep 1 >/dev/null 2>&1
    run_ok 'gc leaves what is pinned' test -e "$state/images/demo/desktop/1.caibx"
    call DELETE /desktops/pc3
}

test_bad_requests ()
{
    local code method path regex body
    while IFS='|' read -r code method path regex body; do
        refuses "$method $path ${body:0:60} is refused" "$code" "$regex" "$method" "$path" "$body"
    done <<END
404|GET|/nothing|there is no /nothing
405|GET|/desktops/|not for GET
404|GET|/desktops/pc1/prepare/x|there is no
404|GET|/status/|there is no
405|POST|/status|not for POST, but for GET|{}
405|PUT|/desktops/pc1|not for PUT, but for DELETE
405|GET|/desktops/pc1/prepare|not for GET, but for POST
405|DELETE|/desktops|not for DELETE, but for GET
400|POST|/desktops/pc9/prepare|it has no body
400|POST|/desktops/pc9/prepare|cannot be read|{
400|POST|/desktops/pc9/prepare|not a JSON object|[]
400|POST|/desktops/pc9/prepare|uuid|{}
400|POST|/desktops/pc9/prepare|disks|{"uuid":"$UUID"}
400|POST|/desktops/pc9/prepare|not a UUID|{"uuid":"7","disks":[$DISK]}
400|POST|/desktops/pc9/prepare|vda is there twice|{"uuid":"$UUID","disks":[$DISK,$DISK]}
400|POST|/desktops/pc9/prepare|not an image|{"uuid":"$UUID","disks":[{"target":"vda","image":"../../etc"}]}
400|POST|/desktops/pc9/prepare|unknown member|$(one_disk ',"chanel":"test"')
400|POST|/desktops/pc9.json/prepare|ends in .json|$PREPARE
400|POST|/desktops/.lock/prepare|cannot name a desktop|$PREPARE
400|POST|/desktops/..%2fpc9/prepare|cannot name a desktop|$PREPARE
400|POST|/desktops/$(printf 'x%.0s' {1..64})/prepare|cannot name a desktop|$PREPARE
400|DELETE|/desktops/.lock|cannot name a desktop
400|DELETE|/desktops/..%2f..%2fgildd|cannot name a desktop
END
    head -c $((2 * MIB)) /dev/zero | tr '\0' ' ' >"$tmp/big"
    refuses 'a body of 2 MiB is refused' 413 'larger than 1048576' POST /desktops/pc9/prepare "@$tmp/big"
    call POST /desktops/pc9/prepare "@$tmp/big" -H 'Transfer-Encoding: chunked' 2>/dev/null
    is 'so is one that does not say how long it is' "${code#100}" ''
    is 'none of them pinned anything' "$(pins)" './pc1.json '
    is 'nor touched the lock' "$(find "$run/desktops" -name .lock | wc -l)" 1
}

test_patience ()
{
    local slow clients=()
    mkfifo "$tmp/never"
    exec 9<>"$tmp/never"
    curl -sS --unix-socket "$sock" -T - -X POST http://gild/desktops/pc9/prepare <&9 >/dev/null 2>&1 &
    slow=$!
    for _ in $(seq 30); do
        curl -sS --max-time 20 --unix-socket "$sock" http://gild/status >>"$tmp/many" &
        clients+=($!)
    done
    answers 'a slow client keeps nobody waiting' 200 '.desktops == 1' GET /status
    wait "${clients[@]}"
    is 'thirty clients at once are all answered' "$(jq -s length <"$tmp/many")" 30
    stop "$slow"
    exec 9<&-
}

# damaged FILE OFFSET REGEX
damaged ()
{
    cp -p "$1" "$tmp/whole"
    flip "$1" "$2"
    refuses "a byte of $(basename "$1") is wrong: nothing is prepared" 500 "$3" POST /desktops/pc4/prepare "$PREPARE"
    head -c "$2" "$tmp/whole" >"$1"
    refuses "$(basename "$1") is cut short: nothing is prepared" 500 . POST /desktops/pc4/prepare "$PREPARE"
    cp -p "$tmp/whole" "$1"
}

test_damage ()
{
    local directory=$state/images/demo/desktop version
    version=$(jq .channels.production "$directory/channels.json")
    damaged "$directory/$version.caibx" 200 "$version.caibx"
    damaged "$directory/$version.json.sig" 300 "$version.json"
    damaged "$directory/channels.json.sig" 250 'channels.json'
    mv "$directory/$version.caibx" "$tmp/whole"
    refuses 'the index is gone: nothing is prepared' 404 "$version.caibx" POST /desktops/pc4/prepare "$PREPARE"
    cp "$directory/1.caibx" "$directory/$version.caibx"
    refuses 'the index is another version'\''s: nothing is prepared' 500 "$version.caibx" \
        POST /desktops/pc4/prepare "$PREPARE"
    mv "$tmp/whole" "$directory/$version.caibx"
    is 'none of them pinned anything' "$(pins)" './pc1.json '
    prepares 'mended, it is prepared' pc4 "$PREPARE" ".disks[0].version == $version"
    call DELETE /desktops/pc4
}

test_restart ()
{
    local before
    before=$(cat "$run/desktops/pc1.json")
    run_fails 'a second gildd is refused' 1 "another gildd runs on $run" gildd
    answers 'and the first goes on' 200 '.desktops == 1' GET /status
    restart_gildd -KILL
    answers 'a gildd that was killed knows its pins when it comes back' 200 '.desktops[0].name == "pc1"' GET /desktops
    is 'the pin is as it was' "$(cat "$run/desktops/pc1.json")" "$before"
}

test_stale_pins ()
{
    local name
    for name in ended running fresh; do
        call POST "/desktops/$name/prepare" "$PREPARE"
    done
    mkdir "$run/desktops/running"
    touch -d '1 hour ago' "$run/desktops/ended.json" "$run/desktops/running.json"
    restart_gildd -TERM
    is 'only a pin without directory that is old is stale' "$(pins)" './fresh.json ./pc1.json ./running.json '
    rmdir "$run/desktops/running"
    echo nonsense >"$run/desktops/fresh.json"
    answers 'a pin that cannot be read is named' 200 \
        '.desktops[] | select (.name == "fresh").error | test ("fresh.json")' GET /desktops
    answers 'it is counted' 200 '.desktops == 3' GET /status
    prepares 'and replaced' fresh "$PREPARE" '.name == "fresh"'
    for name in running fresh; do
        call DELETE "/desktops/$name"
    done
}

test_overlay_setting ()
{
    configure '[desktop]\noverlay=3GiB\nspill=5GiB\n'
    restart_gildd -TERM
    prepares 'sizes from the configuration' pc1 "$PREPARE" \
        ".overlay == $((3 * 1024 * MIB)) and .spill == $((5 * 1024 * MIB))"
}

test_memory ()
{
    if grep -q libasan "/proc/$gildd/maps"; then
        diag 'built with sanitizers: its memory says nothing'
        return
    fi
    for _ in $(seq 200); do
        call POST /desktops/pc1/prepare "$PREPARE"
    done
    grep -q 'lib[at]san' "/proc/$gildd/maps" || # a sanitizer takes memory of its own
        run_ok 'it takes at most 30 MiB' test "$(awk '/VmHWM/ { print $2 }' "/proc/$gildd/status")" -le $((30 * 1024))
}

test_end ()
{
    local result=0
    kill "$gildd"
    wait "$gildd" || result=$?
    is 'it ends well when told to' "$result" 0
    run_ok 'its socket is gone' test ! -e "$sock"
    run_ok 'the pins stay' test -e "$run/desktops/pc1.json"
    like 'the log says what boots' "$(cat "$tmp/gildd.log")" '^gildd: pc1 boots vda demo/desktop@1$'
    like 'and what was released' "$(cat "$tmp/gildd.log")" '^gildd: pc2 is released$'
    unlike 'the log has no warning' "$(cat "$tmp/gildd.log")" 'WARNING|CRITICAL|rror'
    unlike 'nbdkit does not mind being looked at' "$(cat "$tmp/nbdkit.log")" 'error'
}

state=$tmp/state run=$tmp/run sock=$tmp/run/gildd.sock
configure ''
test_root
test_no_site
test_no_nbdkit
test_prepare
test_versions
test_bad_requests
test_patience
test_damage
test_restart
test_stale_pins
test_overlay_setting
test_memory
test_end
done_testing
