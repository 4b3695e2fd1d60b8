#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gild serve: a QEMU that knows nothing of gild reads versions by nbds://, with a certificate of the site and not else.
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
needs nbdkit qemu-img jq openssl python3
new_site
make_qcow2 "$tmp/golden.qcow2" $((20 * 1024 * 1024))
publish demo/desktop "$tmp/golden.qcow2"
publish secret/books "$tmp/golden.qcow2"
printf '[department secret]\nhosts=pc-*\n' >>"$GILD_CONFIG"

host=$(openssl x509 -in "$state/site/host.pem" -noout -subject | sed 's/.*CN *= *//')

# client DIRECTORY SITE: the files of SITE's own host, by the names that QEMU wants.
client ()
{
    mkdir "$1"
    cp "$2/ca.pem" "$1/ca-cert.pem"
    cp "$2/host.pem" "$1/client-cert.pem"
    cp "$2/host-key.pem" "$1/client-key.pem"
}

# As gild-serve(1) has it.
kiosk ()
{
    mkdir "$tmp/kiosk"
    (cd "$state/site" && openssl req -config /dev/null -x509 -CA ca.pem -CAkey ca-key.pem -days 365 \
        -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=kiosk \
        -addext keyUsage=digitalSignature -addext extendedKeyUsage=clientAuth \
        -keyout "$tmp/kiosk/client-key.pem" -out "$tmp/kiosk/client-cert.pem")
    cp "$state/site/ca.pem" "$tmp/kiosk/ca-cert.pem"
}

# serve OPTION…: in the background; its process is $server.
serve ()
{
    gild serve "$@" >"$tmp/serve.log" 2>&1 &
    server=$!
    stop_at_exit "$server"
    wait_for 20 listens || { diag_file "$tmp/serve.log"; return 1; }
}

listens ()
{
    python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$port"
}

# options EXPORT [CREDENTIALS]: QEMU's way to name it.
options ()
{
    echo "driver=raw,file.driver=nbd,file.server.type=inet,file.server.host=127.0.0.1,file.server.port=$port,file.export=$1${2:+,file.tls-creds=tls,file.tls-hostname=$host.gild.internal}"
}

# info EXPORT [CREDENTIALS]: what qemu-img says of it.
info ()
{
    # shellcheck disable=SC2086
    qemu-img info ${2:+--object tls-creds-x509,id=tls,dir="$2",endpoint=client} --image-opts "$(options "$@")"
}

# reads EXPORT CREDENTIALS: it is the golden image.
reads ()
{
    qemu-img compare --object tls-creds-x509,id=tls,dir="$2",endpoint=client --image-opts "$(options "$@")" \
        "driver=qcow2,file.driver=file,file.filename=$tmp/golden.qcow2"
}

# handshake VERSION [CREDENTIALS]: NBD's STARTTLS by hand; prints the version of TLS that was agreed on.
handshake ()
{
    python3 - "$port" "$@" <<'END'
import socket, ssl, struct, sys, warnings
warnings.simplefilter("ignore")
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
s.settimeout(10)
s.recv(18, socket.MSG_WAITALL)
s.sendall(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 5, 0))
assert struct.unpack(">QIII", s.recv(20, socket.MSG_WAITALL))[2] == 1
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.set_ciphers("ALL:@SECLEVEL=0")
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, sys.argv[2])
if len(sys.argv) > 3:
    context.load_cert_chain(sys.argv[3] + "/client-cert.pem", sys.argv[3] + "/client-key.pem")
t = context.wrap_socket(s)
print(t.version())
END
}

# revoke CERTIFICATE: a list of the CA's own that has it.
revoke ()
{
    local serial
    serial=$(openssl x509 -in "$1" -noout -serial | sed 's/.*=//')
    printf 'R\t391231235959Z\t251231235959Z\t%s\tunknown\t/CN=x\n' "$serial" >"$tmp/index.txt"
    printf '[ca]\ndefault_ca=c\n[c]\ndatabase=%s\ndefault_md=sha256\ndefault_crl_days=3000\n' "$tmp/index.txt" >"$tmp/ca.cnf"
    openssl ca -gencrl -config "$tmp/ca.cnf" -keyfile "$state/site/ca-key.pem" -cert "$state/site/ca.pem" \
        -out "$tmp/crl.pem" 2>"$tmp/openssl.log" || { diag_file "$tmp/openssl.log"; return 1; }
    mv "$tmp/crl.pem" "$state/site/crl.pem"
}

run_fails 'no address' 2 'nbd' gild serve
run_fails 'a name' 2 'not an address' gild serve --nbd localhost
run_fails 'a bad port' 2 'not an address' gild serve --nbd 127.0.0.1:0
run_fails 'half an address' 2 'not an address' gild serve --nbd '[::1'
run_fails 'too many arguments' 2 'too many' gild serve --nbd 127.0.0.1 x

client "$tmp/good" "$state/site"
printf '[paths]\nstate=%s\nrun=%s\n' "$tmp/other" "$tmp/other-run" >"$tmp/other.conf"
gild init other --config "$tmp/other.conf" >"$tmp/init.log" 2>&1 || diag_file "$tmp/init.log"
client "$tmp/bad" "$tmp/other/site"
cp "$state/site/ca.pem" "$tmp/bad/ca-cert.pem" # it believes the server, which must not believe it

free_port
serve --nbd "127.0.0.1:$port"
run_ok 'a version is read' reads demo/desktop@1 "$tmp/good"
run_ok 'a certificate for who is no host' kiosk
run_ok 'which reads too' reads demo/desktop@1 "$tmp/kiosk"
run_fails 'not without TLS' 1 '.' info demo/desktop@1
run_fails 'not with a certificate of another site' 1 '.' info demo/desktop@1 "$tmp/bad"
run_fails 'nor by who believes another site' 1 'ertificate' info demo/desktop@1 "$tmp/other-ca" "$(mkdir "$tmp/other-ca" &&
    cp "$tmp/good"/* "$tmp/other-ca" && cp "$tmp/other/site/ca.pem" "$tmp/other-ca/ca-cert.pem")"
run_fails 'a version that is not there' 1 '.' info demo/desktop@2 "$tmp/good"
run_fails 'an image of a department that is not for all' 1 '.' info secret/books@1 "$tmp/good"
like 'the log says why' "$(cat "$tmp/serve.log")" 'secret/books@1 is of a department'
is 'TLS 1.3' "$(handshake TLSv1_3 "$tmp/good" 2>&1 | tail -n 1)" TLSv1.3
is 'TLS 1.2' "$(handshake TLSv1_2 "$tmp/good" 2>&1 | tail -n 1)" TLSv1.2
like 'and nothing older' "$(handshake TLSv1_1 "$tmp/good" 2>&1 | tail -n 1)" '[Ee]rror'
like 'no writing' "$(qemu-io --object tls-creds-x509,id=tls,dir="$tmp/good",endpoint=client -c 'write 0 512' --image-opts \
    "$(options demo/desktop@1 "$tmp/good")" 2>&1)" 'Permission denied|read-only'
is 'the key is where it was' "$(readlink "$run/serve/server-key.pem")" "$state/site/host-key.pem"

kill -KILL "$(pgrep -P "$server")"
run_ok 'nbdkit is killed, and comes back' wait_for 10 reads demo/desktop@1 "$tmp/good"
first=$(pgrep -P "$server")
revoke "$tmp/good/client-cert.pem"
run_ok 'a certificate is revoked' wait_for 10 eval "[ \"\$(pgrep -P $server)\" != $first ] && listens"
run_fails 'and is refused' 1 '.' info demo/desktop@1 "$tmp/good"
run_ok 'others are not' reads demo/desktop@1 "$tmp/kiosk"
like 'which the log says' "$(cat "$tmp/serve.log")" 'removed from the site'
kill "$server"
wait "$server" && ok 'it ends when it is told to' || not_ok 'it ends when it is told to'
run_ok 'and nbdkit with it' eval "! listens"

rm "$state/site/crl.pem"
serve --nbd "127.0.0.1:$port" --config "$GILD_CONFIG"
run_fails 'a port that is taken' 1 'nbdkit has ended' gild serve --nbd "127.0.0.1:$port"
kill -KILL "$server"
run_ok 'nbdkit ends with it when it is killed' wait_for 10 eval "! listens"
rm "$state/site/host.pem"
run_fails 'a host without a certificate' 1 'certificate|host\.pem' gild serve --nbd "127.0.0.1:$port"
done_testing
