#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild promote and gild rollback move channels, forward by serial whatever the clock says; the history tells of it.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq

readonly MIB=$((1024 * 1024))

# channel_is DESCRIPTION CHANNEL VERSION
channel_is ()
{
    is "$1" "$(gild images demo/desktop --json | jq -c "[.images[] | select(.channels | index(\"$2\")) | .version]")" "[$3]"
}

serial ()
{
    tail -n +3 "$state/images/demo/desktop/channels.json.sig" | jq .serial
}

# last JQ: of the newest entry of the history.
last ()
{
    gild images demo/desktop --history --json | jq -c ".history[-1] | $1"
}

new_site
make_raw "$tmp/disk.raw" $((2 * MIB))
run_fails 'an image that is nowhere' 1 'no image demo/none' gild promote demo/none@1
run_fails 'to go back with it' 1 'no image demo/none' gild rollback demo/none
is 'makes nothing of it' "$(ls "$state/images")" ''
for note in first second third; do
    put "$tmp/disk.raw" 0 65536 /dev/urandom
    publish demo/desktop "$tmp/disk.raw" --note "$note"
done
before=$(state_files; serial)
run_fails 'no version' 2 'which version' gild promote demo/desktop
run_fails 'a bad name' 2 '\.\./x' gild promote ../x@1
run_fails 'a bad channel' 2 'Test' gild promote demo/desktop@1 --channel Test
run_fails 'a note that is too long' 2 '1000 bytes' gild promote demo/desktop@1 --note "$(printf '%01001d' 0)"
run_fails 'from what it does not name' 1 'production names demo/desktop@3 by now, and not @2' gild promote demo/desktop@1 --from 2
run_fails 'in stages neither' 1 'production names demo/desktop@3 by now' gild promote demo/desktop@1 --from 2 --stage 5,100
run_fails 'from no version' 2 'version' gild promote demo/desktop@1 --from x
run_fails 'to pause from a version' 2 'is for promoting' gild promote demo/desktop --pause --from 2
run_fails 'a version that never was' 1 'demo/desktop@9 is not there: .*there is: 1, 2, 3' gild promote demo/desktop@9
run_fails 'to go back to it' 1 'demo/desktop@9 .*there is: 1, 2, 3' gild rollback demo/desktop --to 9
run_fails 'to go back to no number' 2 'VERSION|version' gild rollback demo/desktop --to x
run_fails 'a channel that there is not' 1 'no channel test; it has: production' gild rollback demo/desktop --channel test
is 'none of it changed anything' "$(state_files; serial)" "$before"

run_ok 'gild promote of what production names' gild promote demo/desktop@3
is 'says so' "$(cat "$tmp/stdout")" 'production names demo/desktop@3 already'
is 'and changes nothing' "$(serial)" 3
run_ok 'into another channel' gild promote demo/desktop@2 --channel test --note 'for the testers' --json
is 'says what it did' "$(jq -c '[.image, .channel, .version, .from, .changed]' "$tmp/stdout")" \
    '["demo/desktop","test",2,null,true]'
channel_is 'which names it' test 2
channel_is 'and production what it named' production 3
is 'the history says what and why' "$(last '[.serial, .channel, .version, .from, .action, .note]')" \
    '[4,"test",2,null,"promote","for the testers"]'
is 'and who, whom sudo was called by' "$(SUDO_USER=alice gild promote demo/desktop@1 --channel test >"$tmp/stdout"
    last .by)" "\"alice@$(uname -n)\""
like 'or who runs it' "$(gild images demo/desktop --history --json | jq -r '.history[0].by')" '^[a-z][a-z0-9_-]*@.'

# Two steps back are two steps; then forward, and back from there.
run_ok 'gild rollback' gild rollback demo/desktop --note 'does not boot'
is 'goes a step back' "$(cat "$tmp/stdout")" 'production names demo/desktop@2 now, and no longer @3'
is 'by a newer record' "$(serial)" 6
run_ok 'once more' gild rollback demo/desktop
channel_is 'goes one more' production 1
run_fails 'behind the first there is nothing' 1 'history .*before version 1; .*--to; there is: 1, 2, 3' gild rollback demo/desktop
run_ok 'forward again' gild promote demo/desktop@3
run_ok 'and back' gild rollback demo/desktop
channel_is 'to where that came from' production 1
run_ok 'back to one that was chosen' gild rollback demo/desktop --to 2
channel_is 'is that one' production 2
is 'and is a rollback' "$(last '[.action, .from, .version]')" '["rollback",1,2]'
run_ok 'gild images --history' gild images demo/desktop --history
is 'has a line for each' "$(wc -l <"$tmp/stdout")" $((1 + $(serial)))
like 'what, from what, who and why' "$(cat "$tmp/stdout")" '20[0-9-]+ [0-9:]+ +production +2 +3 +rollback +.+@.+ +does not boot$'
run_fails 'a history of all images' 2 'name it' gild images --history
run_fails 'a history of none' 1 'no image demo/none' gild images demo/none --history

# What was collected is refused; numbers are not given twice, though nothing is left that has them.
run_ok 'nothing needs version 3' gild promote demo/desktop@2 --channel test
rm "$state"/images/demo/desktop/3.*
run_fails 'a version that was collected' 1 'demo/desktop@3 is not there: it was collected.*there is: 1, 2' gild rollback demo/desktop --to 3
publish demo/desktop "$tmp/disk.raw"
channel_is 'its number is not given again' production 4
run_ok 'every record is signed' gild verify demo/desktop

# The clock goes back to 1979: serials go on.
before=$(serial)
run_ok 'while the clock has jumped back' env CLOCK_OFF=-1500000000 \
    LD_PRELOAD="${builddir:?}/tests/tool/other-clock.so" gild rollback demo/desktop
is 'the serial goes on' "$(serial)" $((before + 1))
like 'though the date does not' "$(last .at)" '"19'
channel_is 'and the channel goes back' production 2
run_ok 'and with the clock put right, from what it does name' gild promote demo/desktop@4 --from 2
channel_is 'all goes on' production 4

# Who has no key changes nothing.
rm "$state/site/site.sec"
run_fails 'without the key' 1 'no signing key' gild rollback demo/desktop
channel_is 'nothing changes' production 4
done_testing
