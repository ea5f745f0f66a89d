#!/usr/bin/env bash
# Builds the library and the local control plane, compiles examples/c/quickstart.c as anybody would, and runs it: one
# call is allowed, one blocked, one was never planned, and one is held until it is approved from the outside.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

have cargo || die "Rust is missing: see https://rustup.rs"
have "${CC:-cc}" || die "a C compiler is missing (on Debian and Ubuntu: apt-get install gcc)"

shown() {
    printf '%s$ %s%s\n' "$bold" "${*//"$PWD/"/}" "$reset"
    "$@"
}

if [ "${1:-}" = --run ]; then
    # A child of scripts/with-local.sh: the control plane is up.
    scripts/approve.sh &
    approver=$!
    shown "$target_dir/demo/quickstart"
    wait "$approver"
    exit
fi

# Unoptimised: a library that ships takes minutes to build, and a demo should not.
shown cargo build --locked --package armoriq --package armoriq-local
mkdir -p "$target_dir/demo"
cp "$target_dir/debug/libarmoriq.so" "$target_dir/demo/libarmoriq.so"
ln -sf libarmoriq.so "$target_dir/demo/$(soname "$target_dir/demo/libarmoriq.so")"
export C_INCLUDE_PATH=include LIBRARY_PATH=$target_dir/demo LD_RUN_PATH=$target_dir/demo
shown "${CC:-cc}" examples/c/quickstart.c -larmoriq -o "$target_dir/demo/quickstart"
echo
scripts/with-local.sh "$PWD/scripts/demo.sh" --run
