#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild verify finds every byte that is not what was signed, and says which version it harms.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq

readonly MIB=$((1024 * 1024))

# harms DESCRIPTION REGEX: verify says no (3) about one/disk, and still yes about other/disk.
harms ()
{
    run gild verify
    is "$1: verify says no" "$status" 3
    like "$1: and what is wrong" "$(cat "$tmp/stdout" "$tmp/stderr")" "$2"
    run_ok "$1: another image is whole" gild verify other/disk
    run gild verify one/disk@1
    is "$1: verify of the version says no" "$status" 3
    run gild export one/disk@1 "$tmp/out.qcow2"
    is "$1: export fails" "$status" 1
    is "$1: and leaves no file" "$(find "$tmp" -name '*out.qcow2*')" ''
    rm -f "$tmp/out.qcow2"
}

# damaged FILE DESCRIPTION REGEX COMMAND…: after COMMAND it harms; then all is put back.
damaged ()
{
    local file=$1 description=$2 regex=$3
    shift 3
    cp -p "$file" "$tmp/kept"
    "$@"
    harms "$description" "$regex"
    cp -p "$tmp/kept" "$file"
}

cut_short ()
{
    truncate -s $(($(stat -c %s "$1") - $2)) "$1"
}

new_site
make_qcow2 "$tmp/one.qcow2" $((5 * MIB))
make_qcow2 "$tmp/other.qcow2" $((6 * MIB))
publish one/disk "$tmp/one.qcow2"
publish other/disk "$tmp/other.qcow2"
images=$state/images
run_ok 'all is whole' gild verify
run_ok 'one image' gild verify one/disk
run_ok 'one version' gild verify one/disk@1
run_fails 'an image that is not there' 1 'no/such' gild verify no/such
run_fails 'a version that is not there' 1 'one/disk@9' gild verify one/disk@9
run_fails 'a bad name' 2 '.' gild verify ../x

index=$images/one/disk/1.caibx
chunk=$state/store.castr/$(tail -c +65 "$index" | od -An -v -tx1 -w40 | tr -d ' ' | cut -c 17-80 |
    sed -n 1p | sed 's,^\(....\).*,\1/&.cacnk,')
damaged "$chunk" 'a chunk with a bit flipped' 'one/disk@1' flip "$chunk" 100
damaged "$chunk" 'a chunk cut short' 'one/disk@1' cut_short "$chunk" 10
damaged "$chunk" 'an empty chunk' 'one/disk@1' truncate -s 0 "$chunk"
damaged "$chunk" 'another chunk in its place' 'one/disk@1' \
    cp "$(find "$state/store.castr" -name '*.cacnk' ! -samefile "$chunk" -size +1k | sort | sed -n 1p)" "$chunk"
damaged "$chunk" 'a missing chunk' 'one/disk@1' rm "$chunk"

damaged "$index" 'an index with a bit flipped in an id' 'one/disk@1' flip "$index" 130
damaged "$index" 'an index with a bit flipped in its header' 'one/disk@1' flip "$index" 20
damaged "$index" 'an index with a bit flipped at its end' 'one/disk@1' flip "$index" $(($(stat -c %s "$index") - 2))
damaged "$index" 'an index cut short' 'one/disk@1' cut_short "$index" 40
damaged "$index" 'an index with bytes after it' 'one/disk@1' truncate -s +40 "$index"
damaged "$index" 'an empty index' 'one/disk@1' truncate -s 0 "$index"
damaged "$index" 'the index of another image' 'one/disk@1' cp "$images/other/disk/1.caibx" "$index"
damaged "$index" 'a missing index' 'one/disk@1' rm "$index"

signed=$images/one/disk/1.json.sig
damaged "$signed" 'a record with a bit flipped' 'one/disk@1' flip "$signed" 250
damaged "$signed" 'a signature with a bit flipped' 'one/disk@1' flip "$signed" 80
damaged "$signed" 'a record cut short' 'one/disk@1' cut_short "$signed" 20
damaged "$signed" 'an empty record' 'one/disk@1' truncate -s 0 "$signed"
damaged "$signed" 'the record of another image' 'one/disk@1' cp "$images/other/disk/1.json.sig" "$signed"

json=$images/one/disk/1.json
cp "$json" "$tmp/kept"
sed -i 's/"note" *: *""/"note" : "forged"/' "$json"
run gild verify
is 'a text that is not what is signed: verify says no' "$status" 3
cp "$tmp/kept" "$json"
channels=$images/one/disk/channels.json.sig
cp "$channels" "$tmp/kept"
flip "$channels" 200
run gild verify
is 'a channel record with a bit flipped: verify says no' "$status" 3
run_fails 'and export does not follow it' 1 'channels\.json' gild export one/disk "$tmp/out.qcow2"
cp "$tmp/kept" "$channels"
run_ok 'all is whole again' gild verify
run_ok 'in JSON' gild verify --json
run_ok 'which is JSON' jq . "$tmp/stdout"

# A host that need not keep an image whole has not lost what it has not fetched yet.
mv "$chunk" "$tmp/kept"
harms 'a chunk that is gone' 'missing'
mv "$state/site/site.sec" "$tmp/site.sec"
run_ok 'on a host that keeps no whole images' gild verify
like 'it is told as not there yet' "$(cat "$tmp/stdout")" '^1 chunks \(.*\) are not on this host yet'
is 'and in JSON' "$(gild verify --json | jq .absent)" 65536
run_ok 'there is nothing to repair' gild verify --repair
echo '{"format": "gild-replica-1", "images": ["one/disk"]}' >"$state/replica.json"
harms 'a replica of that image' 'missing'
echo '{"format": "gild-replica-1", "images": ["other/disk"]}' >"$state/replica.json"
run_ok 'but not one of another' gild verify
echo '{"format": "gild-replica-9"}' >"$state/replica.json"
run_fails 'a list of replicas that cannot be read' 1 'replica\.json' gild verify
rm "$state/replica.json"
cp "$tmp/kept" "$chunk"
flip "$chunk" 100
run gild verify
is 'a chunk that is there and damaged is a problem all the same' "$status" 3
run_ok 'which is repaired by setting it aside' gild verify --repair
like 'to be fetched again' "$(cat "$tmp/stdout")" 'fetched again when it is read'
mv "$tmp/site.sec" "$state/site/site.sec"
cp "$tmp/kept" "$chunk"

# Everything signed with another site's key is worth nothing here.
mkdir "$tmp/elsewhere"
printf '[paths]\nstate=%s\nrun=%s\n' "$tmp/elsewhere/state" "$tmp/elsewhere/run" >"$tmp/elsewhere.conf"
gild init elsewhere --config "$tmp/elsewhere.conf" >/dev/null 2>&1
cp "$tmp/elsewhere/state/site/site.pub" "$state/site/site.pub"
run gild verify
is 'with the key of another site: verify says no' "$status" 3
done_testing
