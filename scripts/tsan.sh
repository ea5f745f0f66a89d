#!/usr/bin/env bash
# usage: scripts/tsan.sh [--build]
#
# Runs the tests that share sessions and handles among threads under ThreadSanitizer. Rust's own standard library has to
# be built with it too, or it reports races that are none: Debian's compiler brings that library's source. With --build it
# only compiles them.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

clang=${CLANG:-clang-19}
source=/usr/lib/rustlib/src/rust/library
[ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] || { echo "Debian's rustc-web and cargo-web are not installed"; exit 77; }
[ -e "$source" ] || { echo "the source of Rust's standard library (rust-web-src) is not installed"; exit 77; }
have "$clang" || { echo "$clang is not installed"; exit 77; }

export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc
export RUSTFLAGS="-Zsanitizer=thread -Zexternal-clangrt -Clinker=$clang -Clink-arg=-fsanitize=thread"
export TSAN_OPTIONS=halt_on_error=1
only=()
[ "${1:-}" != --build ] || only=(--no-run)
/usr/bin/cargo test "${only[@]}" -Zbuild-std --target "$(/usr/bin/rustc -vV | sed -n 's/^host: //p')" \
    --target-dir "$target_dir/tsan" --locked --package armoriq --lib -- session::tests::local completions approvals handles fork
