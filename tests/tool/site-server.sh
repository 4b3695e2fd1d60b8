#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What gildd answers to other hosts, asked by programs that are not gild's: TLS, who is let in, and what who means
# no good can do.
. "$(dirname "$0")/lib.sh"
needs curl jq openssl qemu-img

start_gildd ()
{
    gildd 2>>"$tmp/gildd.log" &
    gildd=$!
    stop_at_exit "$gildd"
    wait_for 20 grep -q "at port $port" "$tmp/gildd.log" || { diag_file "$tmp/gildd.log"; exit 1; }
}

# ask METHOD PATH [CURL-OPTION…]: as somebody without a certificate; the status in $code, the answer in $tmp/answer.
ask ()
{
    : >"$tmp/answer"
    code=$(curl -sS --max-time 60 --path-as-is --cacert "$state/site/ca.pem" -o "$tmp/answer" -w '%{http_code}' \
        --connect-to "$host.gild.internal:$port:127.0.0.1:$port" -X "$1" "${@:3}" \
        "https://$host.gild.internal:$port$2" 2>"$tmp/curl.log") || true
}

# ask_as_host METHOD PATH [CURL-OPTION…]: as a host of the site.
ask_as_host ()
{
    ask "$@" --cert "$state/site/host.pem" --key "$state/site/host-key.pem"
}

# handshake OPTION…: what openssl says of a connection.
handshake ()
{
    timeout 20 openssl s_client -connect "127.0.0.1:$port" -CAfile "$state/site/ca.pem" "$@" </dev/null 2>&1 || true
}

# rss PID: in KiB.
rss ()
{
    awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

# connect_silently COUNT: so many connections that say nothing, until the script ends; ends where one is refused.
# Reads one byte of each, which comes only where the other side has closed it.
connect_silently ()
{
    local i fd
    silent=()
    for ((i = 0; i < $1; i++)); do
        exec {fd}<>"/dev/tcp/127.0.0.1/$port" || break
        silent+=("$fd")
    done
}

# n_closed FD…: how many of them the other side has closed.
n_closed ()
{
    local fd count=0
    for fd; do
        status=0
        read -r -t 0.01 -n 1 -u "$fd" || status=$?
        [ "$status" -gt 128 ] || count=$((count + 1))
    done
    echo "$count"
}

all_closed ()
{
    [ "$(n_closed "${silent[@]}")" = "${#silent[@]}" ]
}

new_site
free_port
printf '[network]\nlisten=::\nport=%s\n[department accounting]\nhosts=nobody\n' "$port" >>"$GILD_CONFIG"
host=$(openssl x509 -in "$state/site/host.pem" -noout -subject | sed 's/.*CN *= *//')
make_qcow2 "$tmp/disk.qcow2" $((4 * 1024 * 1024))
publish demo/desktop "$tmp/disk.qcow2"
publish accounting/desktop "$tmp/disk.qcow2"
start_gildd
began=$SECONDS
connect_silently 3
early=("${silent[@]}")

like 'TLS 1.3' "$(handshake -tls1_3)" 'New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256'
like 'TLS 1.2' "$(handshake -tls1_2)" 'New, TLSv1.2, Cipher is ECDHE-ECDSA-AES[0-9]+-GCM'
unlike 'no TLS 1.1' "$(handshake -tls1_1 -cipher DEFAULT@SECLEVEL=0)" 'Cipher is [A-Z]+-'
unlike 'no TLS 1.0' "$(handshake -tls1 -cipher DEFAULT@SECLEVEL=0)" 'Cipher is [A-Z]+-'
unlike 'no other cipher' "$(handshake -tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256)" 'Cipher is TLS_'
unlike 'nor in TLS 1.2' "$(handshake -tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305)" 'Cipher is ECDHE'
like 'it is trusted by the CA' "$(handshake -verify_return_error)" 'Verify return code: 0'
is 'the chain has the CA, for who joins' "$(handshake -showcerts | grep -c 'BEGIN CERTIFICATE')" 2
unlike 'plain HTTP is no answer' "$(curl -sS --max-time 20 "http://127.0.0.1:$port/crl.pem" 2>&1)" '200|BEGIN'

chunk=$(cd "$state/store.castr" && find . -name '*.cacnk' | sed 's,^\./,,' | sort | head -n 1)
for request in "GET /" "GET /store/$chunk" "POST /store" "GET /images/demo/desktop/1.json.sig" \
    "GET /images/demo/desktop/channels.json.sig" "POST /images/demo/desktop/1.profile" "POST /hosts/heartbeat" \
    "GET /crl.pem" "PUT /crl.pem" "GET /join" "DELETE /store/$chunk" "OPTIONS /" "TRACE /"; do
    # shellcheck disable=SC2086
    ask $request
    is "without a certificate: $request" "$code $(jq -r 'keys[]' "$tmp/answer")" '403 error'
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$host" \
    -addext "subjectAltName=DNS:$host.gild.internal" -addext 'extendedKeyUsage=clientAuth' \
    -keyout "$tmp/own-key.pem" -out "$tmp/own.pem" 2>/dev/null
ask GET "/store/$chunk" --cert "$tmp/own.pem" --key "$tmp/own-key.pem"
is "with a certificate of one's own making" "$code" 403
mkdir "$tmp/expired"
"${builddir:?}/tests/office/make-certificate" "$state/site" pc9 "$tmp/expired" expired
ask GET "/store/$chunk" --cert "$tmp/expired/host.pem" --key "$tmp/expired/host-key.pem"
is 'with one that has expired' "$code" 403
ask POST /join --data '{"format": "gild-join-1", "secret": "AAAA", "name": "pc2", "request": "x"}'
like 'who joins is answered, and needs an invitation' "$code $(jq -r .error "$tmp/answer")" '^40[03] .'

ask_as_host GET "/store/$chunk" -D "$tmp/head"
is 'a host of the site gets a chunk' "$code" 200
run_ok 'as it lies in the store' cmp "$tmp/answer" "$state/store.castr/$chunk"
unlike 'no word of who answers' "$(cat "$tmp/head")" '^[Ss]erver:'
ask_as_host GET /images/demo/desktop/1.json.sig
run_ok 'and a record' cmp "$tmp/answer" "$state/images/demo/desktop/1.json.sig"
ask_as_host GET /images/accounting/desktop/1.json.sig
is 'not of a department that is not its own' "$code" 403
ask_as_host GET /images/accounting/desktop/channels.json.sig
is 'nor the channels there' "$code" 403

for path in /store/../site/ca-key.pem /store/0000/../../site/ca-key.pem /images/demo/desktop/../../../site/site.sec \
    /images/../site/ca-key.pem /store/%2e%2e/site/ca-key.pem "/store/${chunk%%/*}" /images/demo/desktop/1.caibx \
    /site/host-key.pem //crl.pem/; do
    ask_as_host GET "$path"
    is "there is no $path" "$code" 404
done

# Bodies that are too large, announced or not, and heads.
before=$(rss "$gildd")
head -c 3000000 /dev/zero >"$tmp/large"
ask_as_host POST /store --data-binary @"$tmp/large" -H Expect:
like 'a body that is too large' "$code" '^(000|413)$' # 000: the answer goes under where curl is still sending
ask_as_host POST /store -T - -H Expect: < <(timeout 20 head -c 100000000 /dev/zero)
like 'one that says no size' "$code" '^(000|413)$'
ask_as_host GET /crl.pem -H "X: $(head -c 100000 /dev/zero | tr '\0' x)"
like 'a head that is too large' "$code" '^(000|413|431)$'
ask POST /join --data-binary @"$tmp/large" -H Expect:
like 'a stranger with much to say' "$code" '^(000|413)$'
: >"$tmp/noise"
for _ in $(seq 20); do
    head -c 2000 /dev/urandom >"/dev/tcp/127.0.0.1/$port" 2>>"$tmp/noise" || true
done
ask_as_host GET "/store/$chunk"
is 'noise and all that leave it well' "$code" 200
run_ok 'and small' test $(($(rss "$gildd") - before)) -lt 32768

many_closed ()
{
    [ "$(n_closed "${silent[@]}")" -ge 80 ]
}

# Many at a time, and many in a short time, of one address.
connect_silently 150
run_ok 'strangers of one address are bounded' wait_for 15 many_closed
ask_as_host GET "/store/$chunk" --interface 127.0.0.2
is 'a host at another address does not suffer' "$code" 200
# One connection does it, since a handshake each could take longer than the limit.
joins=()
for _ in $(seq 40); do
    joins+=(-o /dev/null "https://$host.gild.internal:$port/join")
done
codes=$(curl -sS --max-time 60 --cacert "$state/site/ca.pem" -w '%{http_code}\n' --interface 127.0.0.3 \
    --connect-to "$host.gild.internal:$port:127.0.0.1:$port" --data '{"format": "gild-join-1"}' "${joins[@]}" 2>&1) || true
like 'who joins again and again has to wait' "$codes" '^429$'

# Who says nothing for long is shown out.
silent+=("${early[@]}")
run_ok 'strangers that say nothing are shown out' wait_for $((40 + began - SECONDS > 5 ? 40 + began - SECONDS : 5)) all_closed
ask_as_host GET "/store/$chunk"
is 'and then there is room again' "$code" 200
unlike 'none of it is an error of gildd' "$(cat "$tmp/gildd.log")" 'WARNING|CRITICAL|trouble|failed'
run_ok 'gildd ends when it is told' stop "$gildd"
done_testing
