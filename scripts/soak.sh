#!/usr/bin/env bash
# usage: scripts/soak.sh
#
# Runs the soak of tests/soak: mixed calls from 16 threads, for SOAK_SECONDS (600), against an armoriq-local whose
# answers are delayed, cut and corrupted, and that is killed and restarted. Before that a short one that leaks, loses
# completions and is lied to, to see that it is noticed. SOAK_SEED repeats what was drawn; the order in which threads
# come to it cannot be repeated.
#
# The figures are printed, and kept in target/soak/soak.json. What is tested is what `make build` leaves, or else the
# library in ARMORIQ_LIB_DIR, with the header in ARMORIQ_INCLUDE and the program ARMORIQ_LOCAL.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

have "${CC:-cc}" || { echo "no C compiler is installed"; exit 77; }
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || { echo "Python 3.9 is not installed"; exit 77; }
seconds=${SOAK_SECONDS:-600} seed=${SOAK_SEED:-$RANDOM}
if [ -z "${ARMORIQ_LIB_DIR:-}" ]; then
    make --no-print-directory build
    cargo build --locked --package armoriq-local
fi
lib_dir=$(realpath "${ARMORIQ_LIB_DIR:-$dist_dir}")
include=$(realpath "${ARMORIQ_INCLUDE:-include}")
local_bin=$(realpath "${ARMORIQ_LOCAL:-$target_dir/debug/armoriq-local}")

soak_dir=$target_dir/soak
mkdir -p "$soak_dir/lib" "$soak_dir/home"
ln -sf "$lib_dir/libarmoriq.so" "$soak_dir/lib/libarmoriq.so"
ln -sf "$lib_dir/libarmoriq.so" "$soak_dir/lib/$(soname "$lib_dir/libarmoriq.so")"
echo '#include <malloc.h>
int main(void) { return (int)mallinfo2().uordblks * 0; }' >"$soak_dir/mallinfo2.c"
"${CC:-cc}" "$soak_dir/mallinfo2.c" -o "$soak_dir/mallinfo2" 2>/dev/null ||
    { echo "this C library does not count what is allocated (mallinfo2, glibc 2.33)"; exit 77; }
"${CC:-cc}" -std=c99 -Wall -Wextra -Wpedantic -Werror -O1 -g -I"$include" tests/soak/soak.c -o "$soak_dir/soak" \
    -L"$soak_dir/lib" -larmoriq -pthread

# shellcheck source=scripts/beside.sh
. scripts/beside.sh

# usage: soak SECONDS SEED BREAK INJECTOR_OPTION…
soak() {
    local seconds=$1 seed=$2 broken=$3 code=0
    shift 3
    rm -rf "$work/plane" "$work/ready"
    mkdir "$work/plane"
    beside 'the fault injector' "$soak_dir/injector.log" python3 -B tests/soak/injector.py --local "$local_bin" \
        --config tests/soak/control-plane.yaml --work "$work/plane" --seed "$seed" "$@"
    address() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$work/ready" | head -n 1; }
    # What malloc keeps for itself is no leak: with one arena and no tcache only what is in use counts.
    (cd "$soak_dir/home" && env -i PATH="$PATH" HOME="$soak_dir/home" LD_LIBRARY_PATH="$soak_dir/lib" \
        GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0 NO_PROXY=127.0.0.1 \
        ARMORIQ_BACKEND_URL="$(address backend)" \
        PROXY_ENDPOINT="$(address proxy)" IAP_ENDPOINT="$(address iap)" SOAK_BREAK="$broken" \
        "$soak_dir/soak" "$seconds" "$seed") >"$work/figures" 2>"$soak_dir/soak.log" || code=$?
    kill "$server"
    wait "$server" || { echo "the fault injector failed:"; cat "$soak_dir/injector.log"; code=1; }
    server=
    if [ "$code" -ne 0 ]; then
        cat "$work/figures" "$soak_dir/soak.log"
        echo "the soak ended with $code (seed $seed)"
        return "$code"
    fi
    python3 -B tests/soak/report.py "$work/figures" "$work/ready" "$seconds" "$seed" "$soak_dir/soak.json" \
        ${broken:+--broken} || { code=$?; cat "$soak_dir/soak.log"; return "$code"; }
}

passed=0 failed=0
# usage: try WHAT SOAK_ARGUMENT…
try() {
    local what=$1
    shift
    if soak "$@"; then
        passed=$((passed + 1))
        echo "ok    $what"
    else
        failed=$((failed + 1))
        echo "FAIL  $what"
    fi
}
try "what is broken on purpose is noticed" 20 "$seed" leak,lose --lie
try "the soak" "$seconds" "$seed" ''
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
