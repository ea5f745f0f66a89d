#!/usr/bin/env bash
# Every function of the header with a panic in it: builds the library as it ships but for the feature panic_probe, which
# lets the programs in tests/panics ask for panics, and runs these. A function that the header declares and probe.c does
# not know is a failure.
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

scripts/build.sh --panic-probe
so=$target_dir/panics/libarmoriq.so

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/lib" "$work/home"
ln -s "$so" "$work/lib/libarmoriq.so"
ln -s "$so" "$work/lib/$(soname "$so")"
for name in probe submitted; do
    "${CC:-cc}" -std=c99 -Wall -Wextra -Wpedantic -Werror -g -Iinclude -Itests/c -o "$work/$name" \
        "tests/panics/$name.c" -L"$work/lib" -larmoriq -pthread
done
run() { (cd "$work/home" && env -i HOME="$work/home" LD_LIBRARY_PATH="$work/lib" "$work/$1" "${@:2}"); }


exports() { nm --dynamic --defined-only "$so" | awk '{ print $3 }' | sort; }
all_probed() { diff <(declared_functions) <(run probe --list | sort); }
only_one_more() { diff <(declared_functions | sed '$aarmoriq_panic_probe' | sort) <(exports); }
check 'every function of the header is probed' all_probed
check 'the library exports what ships exports, and what asks for a panic' only_one_more

# Without unwinding the guard would catch nothing: such a library does not compile, whatever the profile says.
refuses_abort() {
    ! cargo rustc --locked --profile check --package armoriq --lib --target-dir "$target_dir" -- -C panic=abort \
        2>"$work/abort" && grep -F 'must be built with panic = "unwind"' "$work/abort"
}
check 'a library that does not unwind does not compile' refuses_abort

# They count their own; what they say is all that is printed.
for name in probe submitted; do
    run "$name" 2>"$work/err" || failed=$((failed + 1))
    check "no panic of $name prints anything" diff "$work/err" /dev/null
done

summary
