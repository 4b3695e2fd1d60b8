#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild images shows what there is, to people and in JSON; gild init makes a site once.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq

readonly MIB=$((1024 * 1024))
mkdir -p "$tmp/run"
printf '[paths]\nstate=%s\nrun=%s\n' "$tmp/state" "$tmp/run" >"$tmp/gild.conf"
export GILD_CONFIG=$tmp/gild.conf
run_fails 'images before there is a site' 1 'gild init' gild images
run_fails 'a site without a name' 2 '.' gild init
run_fails 'a site with a bad name' 1 'name' gild init $'a\nb'
is 'makes nothing' "$(ls "$tmp/state" 2>/dev/null)" ''
run_ok 'a site' gild init 'The Firm'
state=$tmp/state
is 'has its name' "$(jq -r .name "$state/site/site.json")" 'The Firm'
is 'and a signing key that is nobody else'\''s' "$(stat -c %a "$state/site/site.sec")" 600
is 'and a CA whose key is nobody else'\''s' "$(stat -c %a "$state/site/ca-key.pem")" 600
run_ok 'whose certificate is one' openssl verify -CAfile "$state/site/ca.pem" "$state/site/ca.pem"
before=$(cd "$state" && find site -type f -exec sha256sum {} + | sort)
run_fails 'a second site' 1 'The Firm|already' gild init Another
is 'changes nothing' "$(cd "$state" && find site -type f -exec sha256sum {} + | sort)" "$before"

run_ok 'no images' gild images
run_ok 'no images in JSON' gild images --json
is 'are an empty list' "$(jq -c .images "$tmp/stdout")" '[]'
make_qcow2 "$tmp/disk.qcow2" $((5 * MIB))
publish demo/disk "$tmp/disk.qcow2" --note first
publish demo/disk "$tmp/disk.qcow2" --note second
publish accounting/erp "$tmp/disk.qcow2"
run_ok 'images' gild images
like 'the newest of one' "$(cat "$tmp/stdout")" 'demo/disk.*2.*production'
like 'and the other' "$(cat "$tmp/stdout")" 'accounting/erp.*1.*production'
run_ok 'one image' gild images demo/disk
like 'its first version' "$(cat "$tmp/stdout")" '(^|@| )1 .*5.00 MiB'
like 'its second version' "$(cat "$tmp/stdout")" '(^|@| )2 .*production.*5.00 MiB'
unlike 'no other image' "$(cat "$tmp/stdout")" 'accounting'
run_ok 'in JSON' gild images demo/disk --json
is 'both versions' "$(jq -c '[.images[].version]' "$tmp/stdout")" '[1,2]'
is 'their notes' "$(jq -c '[.images[].note]' "$tmp/stdout")" '["first","second"]'
is 'never checked' "$(jq -c '[.images[].check]' "$tmp/stdout")" '[null,null]'

# The record of a check, as gild check leaves it (system/check.sh).
checks=$state/checks/demo/disk/2
mkdir -p "$checks"
printf '{ "format": "gild-check-1", "image": "demo/disk", "version": 2, "result": "%s", "reason": "r", "seconds": 1,
    "checked": "2026-11-25T02:10:00Z" }' not-up >"$checks/result.json"
run_ok 'images that were checked' gild images demo/disk
like 'the one that was' "$(cat "$tmp/stdout")" '@2 .* not up +second'
like 'the one that was not' "$(cat "$tmp/stdout")" '@1 .* - +first'
run_ok 'in JSON, checked' gild images demo/disk --json
is 'with the date' "$(jq -c '.images[1].check' "$tmp/stdout")" '{"result":"not-up","checked":"2026-11-25T02:10:00Z"}'
echo '{' >"$checks/result.json"
run_ok 'a result that is damaged' gild images demo/disk
like 'hides nothing' "$(cat "$tmp/stdout")" '@2 .* \? +second'
like 'and is named' "$(cat "$tmp/stderr")" 'checks/demo/disk/2'
rm -r "$state/checks"
run_fails 'an image that does not exist' 1 'no/such' gild images no/such
run_fails 'a bad name' 2 '.' gild images ../x

# What is damaged does not hide what is not.
flip "$state/images/accounting/erp/1.json.sig" 250
run gild images
like 'a damaged record does not hide the other image' "$(cat "$tmp/stdout")" 'demo/disk'
like 'and is named' "$(cat "$tmp/stderr" "$tmp/stdout")" 'accounting/erp'
done_testing
