#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# casync and signify, which have never heard of gild, read what it writes.
. "$(dirname "$0")/lib.sh"
needs qemu-img casync signify-openbsd jq zstd
new_site

make_raw "$tmp/disk.raw" $((10 * 1024 * 1024 + 512))
publish demo/disk "$tmp/disk.raw"
image=$state/images/demo/disk
run_ok 'casync extracts the index from the store' \
    casync extract --store="$state/store.castr" "$image/1.caibx" "$tmp/out.raw"
run_ok 'and gets the disk, to the last byte' cmp "$tmp/disk.raw" "$tmp/out.raw"

for record in 1.json channels.json; do
    run_ok "signify accepts the signature of $record" \
        signify-openbsd -V -e -p "$state/site/site.pub" -m "$tmp/message" -x "$image/$record.sig"
    run_ok "which signs $record" cmp "$tmp/message" "$image/$record"
done
signify-openbsd -G -n -p "$tmp/other.pub" -s "$tmp/other.sec"
run signify-openbsd -V -e -p "$tmp/other.pub" -m "$tmp/message" -x "$image/1.json.sig"
is 'but not with another key' "$((status != 0))" 1

# The index is in the store as well: the record lists its pieces, and one signature covers all.
for id in $(jq -r '.index.chunks[]' "$image/1.json"); do
    zstd -dcq <"$state/store.castr/${id:0:4}/$id.cacnk"
done >"$tmp/index" 2>"$tmp/stderr" || diag_file "$tmp/stderr"
run_ok 'the chunks that the record lists are the index' cmp "$tmp/index" "$image/1.caibx"
is 'and its hash is the one in the record' "$(sha256sum <"$tmp/index" | cut -c -64)" "$(jq -r .index.sha256 "$image/1.json")"
done_testing
