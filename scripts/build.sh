#!/usr/bin/env bash
# usage: scripts/build.sh [--panic-probe]
#
# Builds what ships, and leaves it in target/dist: libarmoriq.so, libarmoriq.a, and in static-libs the system libraries
# that a program linked with the latter needs. With --panic-probe it is the shared library alone, with what tests/panics
# asks for panics by, in target/panics.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

host=$(rustc -vV | sed -n 's/^host: //p')
options=(--locked --release --package armoriq --lib --target "$host")
if [ "${1:-}" = --panic-probe ]; then
    dist_dir=$target_dir/panics
    options+=(--features panic_probe --crate-type cdylib)
else
    # Without the Rust library, which would keep in the others what only it shows: they are a tenth smaller.
    options+=(--crate-type 'cdylib,staticlib')
fi
mkdir -p "$dist_dir"

# Only small functions are inlined into what is compiled for size (LLVM's own limit is 325), which is 0.09 MB. With frame
# pointers the tables for unwinding are a quarter smaller, and a host's profiler sees through the library; pushed
# arguments would make them larger again.
# shellcheck disable=SC2206
flags=(${RUSTFLAGS:-} -C llvm-args=-inlinehint-threshold=160 -C llvm-args=-no-x86-call-frame-opt)

# Rust's standard library is built with ours where its source is there (scripts/setup.sh installs it): for size, and without
# what prints backtraces, which nothing here does. That is 0.4 MB. RUSTC_BOOTSTRAP lets the stable compiler do it.
source=$(std_source)
if [ -n "$source" ]; then
    export RUSTC_BOOTSTRAP=1
    options+=('-Zbuild-std=std,panic_unwind' -Zbuild-std-features=optimize_for_size)
    # Functions that call nothing need none.
    flags+=(-Zunstable-options -C force-frame-pointers=non-leaf)
else
    flags+=(-C force-frame-pointers=yes)
fi

# The places of panics name the crate, and not the folder of who built it. It is there once everything is fetched.
cargo fetch --quiet --locked --target "$host"
for folder in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/ ${source:+"$source/"}; do
    flags+=("--remap-path-prefix=$folder=")
done

# Functions that came out alike are in the library once, where the linker can do that: LLVM's can, which rustc has with it
# on most machines, and GNU's cannot.
fold=(-C 'link-arg=-Wl,--icf=all')
rustc "${flags[@]}" --crate-type cdylib --crate-name probe "${fold[@]}" -o "$dist_dir/probe" - </dev/null 2>/dev/null ||
    fold=()
rm -f "$dist_dir/probe"

# The note with the system libraries is printed again when there is nothing to build.
log=$dist_dir/build.log
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS
cargo rustc "${options[@]}" --target-dir "$target_dir/ship" -- "${fold[@]}" --print native-static-libs 2>&1 | tee "$log"
built_dir=$target_dir/ship/$host/release
cp "$built_dir/libarmoriq.so" "$dist_dir/libarmoriq.so"
[ "${1:-}" != --panic-probe ] || exit 0

sed -n 's/^note: native-static-libs: //p' "$log" | tail -n 1 >"$dist_dir/static-libs"
[ -s "$dist_dir/static-libs" ] || die "rustc named no system libraries"
scripts/localize.sh "$built_dir/libarmoriq.a" "$dist_dir/libarmoriq.a"
