# What the scripts share; they source it from the repository's root.
# shellcheck shell=bash

set -euo pipefail
export LC_ALL=C

target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$target_dir
# What `make build` leaves for `make install` and the tests.
# shellcheck disable=SC2034
dist_dir=$target_dir/dist

# Colours only for people.
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' reset=$'\e[0m'
else
    bold='' red='' green='' yellow='' reset=''
fi
export bold red green yellow reset

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# The version in Cargo.toml.
version() {
    sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1
}

# The folder with the source of Rust's standard library, where the compiler has it.
std_source() {
    local source
    source=$(rustc --print sysroot)/lib/rustlib/src/rust
    [ ! -e "$source/library/Cargo.lock" ] || echo "$source"
}

# The name under which programs find the shared library at run time.
soname() {
    readelf -d "$1" | sed -n 's/.*Library soname: \[\(.*\)\].*/\1/p'
}

# The functions that the header declares, one a line.
declared_functions() {
    "${CC:-cc}" -E -P include/armoriq.h | grep -o 'armoriq_[a-z0-9_]*(' | tr -d '(' | sort -u
}

# attempt FUNCTION LOG: runs the function in a shell of its own that stops at the first error, which a condition would
# switch off. Its end is in $code.
# shellcheck disable=SC2034
attempt() {
    set +e
    (
        set -e
        "$1"
    ) >"$2" 2>&1 </dev/null
    code=$?
    set -e
}
