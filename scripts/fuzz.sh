#!/usr/bin/env bash
# usage: scripts/fuzz.sh [--build] [TARGET…]
#
# Runs the fuzz targets of fuzz/ (all of them, or those named), each for FUZZ_SECONDS (60), with libFuzzer and
# AddressSanitizer. They start from the inputs in fuzz/corpus and keep what they find in target/fuzz. The compiler needs
# no nightly for it: RUSTC_BOOTSTRAP lets the stable one instrument code. With --build it only compiles them.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

seconds=${FUZZ_SECONDS:-60}
have c++ || { echo "no C++ compiler is installed, which libFuzzer is built with"; exit 77; }
host=$(rustc -vV | sed -n 's/^host: //p')
runtime=$(rustc --print sysroot)/lib/rustlib/$host/lib
compgen -G "$runtime/librustc*_rt.asan.a" >/dev/null ||
    { echo "this Rust has no AddressSanitizer (librustc-stable_rt.asan.a)"; exit 77; }

# What cargo-fuzz passes.
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
cargo build --locked --release --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$target_dir/fuzz"
[ "${1:-}" != --build ] || exit 0

run() {
    local target=$1 out=$target_dir/fuzz code=0 leaks=1
    # A thread that is about to end looks like a leak; valgrind looks for those of the C calls.
    [ "$target" != c_calls ] || leaks=0
    mkdir -p "$out/corpus/$target" "$out/crashes/$target"
    "$out/$host/release/$target" "$out/corpus/$target" "fuzz/corpus/$target" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -max_len=16384 -detect_leaks="$leaks" -artifact_prefix="$out/crashes/$target/" \
        -print_final_stats=1 >"$out/$target.log" 2>&1 || code=$?
    echo "$code" >"$out/$target.code"
}

[ $# -gt 0 ] || set -- $(cd fuzz/fuzz_targets && ls ./*.rs | sed 's|^\./||; s|\.rs$||')
running=0
for target in "$@"; do
    # One for each processor.
    if [ "$running" -ge "$(nproc)" ]; then
        wait -n
        running=$((running - 1))
    fi
    run "$target" &
    running=$((running + 1))
done
wait

passed=0 failed=0
for target in "$@"; do
    log=$target_dir/fuzz/$target.log
    if [ "$(cat "$target_dir/fuzz/$target.code")" = 0 ]; then
        passed=$((passed + 1))
        echo "ok    $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
    else
        failed=$((failed + 1))
        echo "FAIL  $target"
        tail -n 60 "$log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
