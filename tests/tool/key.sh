#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild key: the keys of a site in a file that a pass phrase protects, and a publisher made of them.
. "$(dirname "$0")/lib.sh"
needs jq openssl signify-openbsd

readonly MIB=$((1024 * 1024))

# other_host NAME: a configuration and a state of another host.
other_host ()
{
    mkdir -p "$tmp/$1/run"
    printf '[paths]\nstate=%s\nrun=%s\n' "$tmp/$1/state" "$tmp/$1/run" >"$tmp/$1/gild.conf"
    export GILD_CONFIG=$tmp/$1/gild.conf
    state=$tmp/$1/state
}

new_site 'Smith & Sons'
own_config=$GILD_CONFIG own_state=$state
echo 'correct horse battery' >"$tmp/phrase"
echo 'another horse' >"$tmp/wrong"
echo short >"$tmp/short"
key=$tmp/site.key

run_fails 'neither export nor import' 2 "'expert' is neither" gild key expert "$key"
run_fails 'a pass phrase that is too short' 1 '8 to 1024' gild key export "$key" --passphrase-file="$tmp/short"
run_fails 'no file with the pass phrase' 1 'missing' gild key export "$key" --passphrase-file="$tmp/missing"
run_fails 'neither terminal nor file' 1 'passphrase-file' setsid gild key export "$key"
is 'none of them wrote anything' "$(ls "$key" 2>/dev/null)" ''
run_ok 'export' gild key export "$key" --passphrase-file="$tmp/phrase"
is 'for nobody else' "$(stat -c %a "$key")" 600
is 'it says what it is' "$(jq -r '.format, .kdf, .iterations, .cipher' "$key" | tr '\n' ' ')" \
    'gild-key-1 pbkdf2-hmac-sha256 600000 aes-256-gcm '
unlike 'no key can be read in it' "$(cat "$key")" 'PRIVATE|untrusted'
run_fails 'export does not overwrite' 1 'exists' gild key export "$key" --passphrase-file="$tmp/phrase"

# A new PC in the place of one that is lost.
other_host pc9
run_fails 'a wrong pass phrase' 1 'pass phrase is wrong' \
    gild key import "$key" --passphrase-file="$tmp/wrong" --name=pc9
jq -c '.data = (.data | "B" + .[1:])' "$key" >"$tmp/changed.key"
run_fails 'a file that was changed' 1 'pass phrase is wrong, or' \
    gild key import "$tmp/changed.key" --passphrase-file="$tmp/phrase" --name=pc9
for change in '.format = "gild-key-2"' '.kdf = "scrypt"' '.cipher = "none"' '.iterations = 1' \
    '.iterations = 100000000000' '.salt = "AAAA"' '.nonce = "!"' '.data = "AAAA"' 'del (.data)'; do
    jq -c "$change" "$key" >"$tmp/changed.key"
    run_fails "a file with $change" 1 '(gild-key-2|kdf|cipher|iterations|salt|nonce|data)' \
        gild key import "$tmp/changed.key" --passphrase-file="$tmp/phrase" --name=pc9
done
head -c 300 "$key" >"$tmp/changed.key"
run_fails 'a file that was cut short' 1 'changed\.key' \
    gild key import "$tmp/changed.key" --passphrase-file="$tmp/phrase" --name=pc9
is 'none of them made a site' "$(find "$tmp/pc9" -name '*site*')" ''

run_ok 'import' gild key import "$key" --passphrase-file="$tmp/phrase" --name=pc9
for file in site.json site.pub site.sec ca.pem ca-key.pem; do
    run_ok "$file is the same" cmp "$own_state/site/$file" "$state/site/$file"
done
is 'the keys are nobody else'\''s' "$(stat -c %a "$state/site/site.sec" "$state/site/ca-key.pem" | tr '\n' ' ')" '600 600 '
run_ok 'its certificate is of the CA' openssl verify -CAfile "$state/site/ca.pem" "$state/site/host.pem"
like 'for its name' "$(openssl x509 -noout -ext subjectAltName -in "$state/site/host.pem")" 'DNS:pc9.gild.internal'
make_raw "$tmp/disk.raw" $MIB
run_ok 'it publishes' gild publish demo/desktop "$tmp/disk.raw" --format=raw
run_ok 'what the other one believes' signify-openbsd -V -e -p "$own_state/site/site.pub" \
    -x "$state/images/demo/desktop/1.json.sig" -m /dev/null
run_ok 'importing again changes nothing' gild key import "$key" --passphrase-file="$tmp/phrase"
run_ok 'and the name stays' test -e "$state/site/hosts/pc9.pem"

# In place of the host of that name.
name=$(basename "$own_state"/site/hosts/*.pem .pem)
other_host pc10
run_ok 'import in place of the publisher that was' gild key import "$key" --passphrase-file="$tmp/phrase" --name="$name"
run_fails 'whose certificate is revoked' 2 'certificate revoked' openssl verify -CAfile "$state/site/ca.pem" \
    -crl_check -CRLfile "$state/site/crl.pem" "$own_state/site/host.pem"
run_ok 'and its own is not' openssl verify -CAfile "$state/site/ca.pem" \
    -crl_check -CRLfile "$state/site/crl.pem" "$state/site/host.pem"

other_host pc11
gild init 'Another site' >"$tmp/init.log" 2>&1
run_fails 'a host of another site' 1 'belongs to site Another site' \
    gild key import "$key" --passphrase-file="$tmp/phrase"
run_fails 'a host that is no publisher' 1 'no publisher' \
    env GILD_CONFIG="$own_config" bash -c "rm '$own_state/site/site.sec' && gild key export '$tmp/no.key' --passphrase-file='$tmp/phrase'"
done_testing
