#!/usr/bin/env bash
# Builds what ships, and leaves it in target/dist: libarmoriq.so, libarmoriq.a, and in static-libs the system libraries
# that a program linked with the latter needs.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

mkdir -p "$dist_dir"
log=$dist_dir/build.log
# Functions that came out alike are in the library once, where the linker can do that: LLVM's can, which rustc has with it
# on most machines, and GNU's cannot.
fold=(-C 'link-arg=-Wl,--icf=all')
# shellcheck disable=SC2086
rustc ${RUSTFLAGS:-} --crate-type cdylib --crate-name probe "${fold[@]}" -o "$dist_dir/probe" - </dev/null 2>/dev/null || fold=()
rm -f "$dist_dir/probe"
# The note with the system libraries is printed again when there is nothing to build.
# Without the Rust library, which would keep in the others what only it shows: they are a tenth smaller.
cargo rustc --locked --release --package armoriq --lib --crate-type cdylib,staticlib -- \
    "${fold[@]}" --print native-static-libs 2>&1 |
    tee "$log"
sed -n 's/^note: native-static-libs: //p' "$log" | tail -n 1 >"$dist_dir/static-libs"
[ -s "$dist_dir/static-libs" ] || die "rustc named no system libraries"

cp "$target_dir/release/libarmoriq.so" "$dist_dir/libarmoriq.so"
scripts/localize.sh "$target_dir/release/libarmoriq.a" "$dist_dir/libarmoriq.a"
