#!/bin/sh
# Made these files, once: what the test's own library cannot make. Each pair serves `localhost` for 100 years; the keys guard nothing.
set -eu
EC() { echo "ec -pkeyopt ec_paramgen_curve:P-$1"; }
authority() { # NAME KEY HASH
    openssl req -x509 -newkey $2 -nodes -keyout "$1.key" -out "$1.pem" -days 36500 "-$3" -subj "/CN=$1" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign,cRLSign
}
server() { # NAME KEY AUTHORITY HASH [EXTENSION]
    openssl req -newkey $2 -nodes -keyout "$1.key" -out "$1.csr" -subj /CN=localhost
    printf '%s\n' "${5:-subjectAltName=DNS:localhost}" >extension
    openssl x509 -req -in "$1.csr" -CA "$3.pem" -CAkey "$3.key" -set_serial 7 -out "$1.pem" -days 36500 "-$4" -extfile extension
    rm "$1.csr" extension
}
authority p256 "$(EC 256)" sha256
authority p384 "$(EC 384)" sha384
authority p521 "$(EC 521)" sha512
authority rsa rsa:2048 sha256
server p256-sha512 "$(EC 256)" p256 sha512
server p384-sha512 "$(EC 256)" p384 sha512
server p521-sha256 "$(EC 256)" p521 sha256
server p521-sha384 "$(EC 256)" p521 sha384
server p521-sha512 "$(EC 256)" p521 sha512
server sha1 "$(EC 256)" p256 sha1
server rsa-sha1 rsa:2048 rsa sha1
server name-in-cn "$(EC 256)" p256 sha256 basicConstraints=CA:FALSE
server rsa-1024 rsa:1024 rsa sha256
openssl x509 -in p256.pem -trustout -addtrust serverAuth -out trusted.pem
openssl x509 -in p256.pem -outform der -out p256.der
openssl pkcs8 -topk8 -in name-in-cn.key -out name-in-cn.encrypted.key -passout pass:open-sesame
openssl ec -in name-in-cn.key -out name-in-cn.sec1.key
openssl ec -aes128 -in name-in-cn.key -out name-in-cn.legacy.key -passout pass:open-sesame
rm p256.key p384.key p521.key rsa.key rsa-1024.key
