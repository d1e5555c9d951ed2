#!/bin/sh
# etcd 3.4.23 with `--client-cert-auth`: its own JSON gateway (`/v3/…`) connects to etcd as a client, and presents the SERVER's certificate.
# Where that one is for servers only (extended key usage `serverAuth`, what most authorities issue for a server), etcd refuses it: every
# request through the gateway fails, also with a client certificate that is in order. The answer names neither certificate; only etcd's log
# does.
#
# Seen on 2026-11-29 (Debian 12):
#   server's certificate serverAuth:             503 connection closed
#   server's certificate serverAuth, clientAuth: 200
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet --quiet etcd-server=3.4.23-4+b4
dpkg -x etcd-server_*.deb .
certificate() { # certificate NAME USAGE: signed by the authority
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=%s\n' "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
}
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=authority -days 2 -keyout ca.key -out ca.pem 2>/dev/null
certificate client clientAuth
certificate narrow serverAuth
certificate wide serverAuth,clientAuth

answer() { # answer NAME: the status of a read through the gateway
    ./usr/bin/etcd --name one --data-dir "data-$1" --listen-client-urls https://127.0.0.1:24379 --advertise-client-urls https://127.0.0.1:24379 \
        --listen-peer-urls http://127.0.0.1:24380 --initial-advertise-peer-urls http://127.0.0.1:24380 --initial-cluster one=http://127.0.0.1:24380 \
        --cert-file "$1.pem" --key-file "$1.key" --client-cert-auth --trusted-ca-file ca.pem >"log-$1" 2>&1 &
    etcd=$!
    set -- --silent --cacert ca.pem --cert client.pem --key client.key
    tries=0
    # Its health is told without the gateway.
    until curl "$@" --output health https://127.0.0.1:24379/health && grep -q true health; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { kill "$etcd"; return 1; }
        sleep 0.2
    done
    curl "$@" --output said --write-out '%{http_code}' --data '{"key":"YQ=="}' https://127.0.0.1:24379/v3/kv/range
    kill "$etcd"
    wait "$etcd" 2>/dev/null || true
}

./usr/bin/etcd --version | head -n 1
narrow=$(answer narrow)
echo "server's certificate serverAuth:             $narrow $(grep -o 'connection closed\|[a-z: ]*handshake[a-z: ]*' said | head -n 1)"
grep -o 'certificate specifies an incompatible key usage' log-narrow | head -n 1 || true
wide=$(answer wide)
echo "server's certificate serverAuth, clientAuth: $wide"
[ "$narrow" != 200 ] && [ "$wide" = 200 ]
