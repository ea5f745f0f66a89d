#!/usr/bin/env bash
# Certificates and proxies, through the shared library as a C program uses it (client.c), against servers that demand
# them (check.py).
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so
# ARMORIQ_INCLUDE   the folder of armoriq.h, or else this repository's own
# CC                the compiler; cc when unset
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

here=$PWD/tests/network
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build_program tests/network/client.c

cd "$work"
cat >openssl.cnf <<END
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = keyCertSign
END

# authority NAME: makes NAME.pem and NAME.key.
authority() {
    openssl req -x509 -config openssl.cnf -extensions authority -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
        -nodes -days 30 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" 2>>openssl.log
}

# certificate NAME AUTHORITY SUBJECT-ALTERNATIVE-NAMES [OPTION…]
certificate() {
    local name=$1 authority=$2 names=$3
    shift 3
    echo "subjectAltName = $names" >extensions
    openssl req -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
        -keyout "$name.key" -out request 2>>openssl.log
    openssl x509 -req -in request -CA "$authority.pem" -CAkey "$authority.key" -CAcreateserial -extfile extensions \
        "$@" -out "$name.pem" 2>>openssl.log
}

authority company
authority stranger
certificate server company 'IP:127.0.0.1,DNS:control-plane.invalid' -days 30
certificate expired company IP:127.0.0.1 -days -1
certificate agent company DNS:agent.invalid -days 30
certificate impostor stranger DNS:agent.invalid -days 30
: >empty.pem

# The environment is the test's own: this one's proxies are none of it.
env -i PATH="$PATH" HOME="$work" PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH="$work" python3 "$here/check.py" "$work"
