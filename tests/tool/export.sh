#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild export: versions and channels, and what happens to the file that it writes.
. "$(dirname "$0")/lib.sh"
needs qemu-img jq

readonly MIB=$((1024 * 1024))
new_site
make_qcow2 "$tmp/one.qcow2" $((5 * MIB))
make_qcow2 "$tmp/two.qcow2" $((7 * MIB))
publish demo/disk "$tmp/one.qcow2"
publish demo/disk "$tmp/two.qcow2"

run_ok 'the production version' gild export demo/disk "$tmp/out.qcow2"
same_disk 'is the last' qcow2 "$tmp/two.qcow2" qcow2 "$tmp/out.qcow2"
run_ok 'an older version' gild export demo/disk@1 "$tmp/old.qcow2"
same_disk 'is the first' qcow2 "$tmp/one.qcow2" qcow2 "$tmp/old.qcow2"
run_ok 'it is a sound qcow2' qemu-img check -q -f qcow2 "$tmp/out.qcow2"
is 'without a backing file' "$(qemu-img info --output=json -f qcow2 "$tmp/out.qcow2" | jq -r '."backing-filename"')" null

sum=$(sha256sum <"$tmp/out.qcow2")
run_fails 'a file that exists' 1 'out\.qcow2.*--force|--force.*out\.qcow2' gild export demo/disk@1 "$tmp/out.qcow2"
is 'stays as it was' "$(sha256sum <"$tmp/out.qcow2")" "$sum"
run_ok '--force replaces it' gild export demo/disk@1 "$tmp/out.qcow2" --force
same_disk 'with the other' qcow2 "$tmp/one.qcow2" qcow2 "$tmp/out.qcow2"
cp "$tmp/two.qcow2" "$tmp/out.qcow2"
run_fails 'when the export fails' 1 '@9' gild export demo/disk@9 "$tmp/out.qcow2" --force
run_ok 'the file that is there stays' cmp "$tmp/two.qcow2" "$tmp/out.qcow2"

files=$(ls "$tmp")
run_fails 'an image that does not exist' 1 'no/such' gild export no/such "$tmp/none.qcow2"
run_fails 'a version that does not exist' 1 'demo/disk@3' gild export demo/disk@3 "$tmp/none.qcow2"
run_fails 'a directory that does not exist' 1 'nowhere' gild export demo/disk "$tmp/nowhere/none.qcow2"
run_fails 'a directory in the file'\''s place' 1 'directory|exists' gild export demo/disk "$tmp" --force
for ref in demo/disk@ demo/disk@0 demo/disk@-1 demo/disk@01 demo/disk@1x demo/disk@1@1 demo@1 demo/disk@99999999999999999999; do
    run_fails "the reference $ref" 2 '.' gild export "$ref" "$tmp/none.qcow2"
done
run_fails 'no file' 2 'usage|gild export' gild export demo/disk
is 'no file was made of any of these' "$(ls "$tmp")" "$files"

# Another image's chunks are held to no less than the file's own: nothing is left of half an export.
head -c 40M /dev/urandom >"$tmp/big.raw"
publish demo/big "$tmp/big.raw"
(ulimit -f 8192; trap '' XFSZ; gild export demo/big "$tmp/big.qcow2" >"$tmp/stdout" 2>"$tmp/stderr") && status=0 || status=$?
is 'a file that may not be so large' "$status" 1
is 'is not there' "$(find "$tmp" -maxdepth 1 -name '*big.qcow2*')" ''
done_testing
