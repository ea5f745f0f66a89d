#!/usr/bin/env bash
# Installs what the suite uses and this machine lacks, where that is possible: on Debian and Ubuntu, as root. Elsewhere
# it says what to install; a step of the suite whose tool is missing is skipped and says so.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

# A program that shows that a package is there, and the package.
needed=(
    gcc:gcc g++:g++ make:make clang:clang ld:binutils pkg-config:pkg-config cmake:cmake valgrind:valgrind
    python3:python3 shellcheck:shellcheck abidw:abigail-tools
)

missing=()
for entry in "${needed[@]}"; do
    have "${entry%%:*}" || missing+=("${entry#*:}")
done
# The thread sanitizer wants a second Rust with the source of its standard library, and the examples want their
# languages: only where nobody minds.
if [ -n "${CI:-}" ]; then
    for entry in /usr/bin/rustc:rustc-web /usr/bin/cargo:cargo-web /usr/lib/rustlib/src/rust:rust-web-src \
        /usr/bin/clang-19:clang-19 /usr/lib/llvm-19/lib/clang/19/lib/linux:libclang-rt-19-dev \
        /usr/include/nlohmann/json.hpp:nlohmann-json3-dev /usr/share/java/gson.jar:libgoogle-gson-java; do
        [ -e "${entry%%:*}" ] || missing+=("${entry#*:}")
    done
    for entry in go:golang-go node:nodejs npm:npm ruby:ruby puma:puma; do
        have "${entry%%:*}" || missing+=("${entry#*:}")
    done
    ruby -e 'require "ffi"' 2>/dev/null || missing+=(ruby-ffi)
fi
# `import venv` works without the package that makes it work.
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)

if [ ${#missing[@]} -eq 0 ]; then
    echo "nothing is missing"
elif have apt-get && [ "$(id -u)" -eq 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } ||
        echo "could not install: ${missing[*]}"
else
    echo "please install: ${missing[*]}"
fi

have cargo || die "Rust is missing: see https://rustup.rs"
# What ships is smaller with a standard library of its own.
if [ -z "$(std_source)" ] && have rustup; then
    rustup component add rust-src || echo "could not install rust-src: what ships will have the compiler's standard library"
fi
