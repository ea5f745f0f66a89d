#!/usr/bin/env bash
# What the built libraries show to the linker: the functions of the header and nothing else, in a shared library that
# is found by its ABI and stays loaded.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

so=$dist_dir/libarmoriq.so
a=$dist_dir/libarmoriq.a
passed=0 failed=0

same() {
    local name=$1 expected=$2 actual=$3
    if [ "$expected" = "$actual" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n' "$name"
        diff <(printf '%s\n' "$expected") <(printf '%s\n' "$actual") || true
    fi
}

declared=$(declared_functions)
[ -n "$declared" ] || die "the header declares nothing"

same 'the .so exports what the header declares' "$declared" \
    "$(nm --dynamic --defined-only "$so" | awk '{ print $3 }' | sort)"
same 'the .a defines what the header declares' "$declared" \
    "$(nm --extern-only --defined-only "$a" | awk 'NF == 3 { print $3 }' | sort)"

macro() {
    printf '#include <armoriq.h>\n%s\n' "$1" | "${CC:-cc}" -Iinclude -E -P - | tail -n 1
}
abi=$(($(macro ARMORIQ_ABI_VERSION)))
same 'the soname is that of the ABI' "libarmoriq.so.$((abi >> 16))" "$(soname "$so")"
same 'the version macro is that of Cargo.toml' "\"$(version)\"" "$(macro ARMORIQ_VERSION)"

flag() { readelf -d "$so" | grep -o -w "$1" | head -n 1; }
same 'stays loaded' NODELETE "$(flag NODELETE)"
same 'resolves its symbols when it is loaded' NOW "$(flag NOW)"
same 'has no text relocations' '' "$(flag TEXTREL || true)"
same 'has relocations made read-only' GNU_RELRO "$(readelf -lW "$so" | grep -o GNU_RELRO | head -n 1)"
same 'has a stack that is not executable' 'RW' "$(readelf -lW "$so" | awk '$1 == "GNU_STACK" { print $7 }')"
same 'is stripped' '' "$(readelf -SW "$so" | grep -o -w -e '\.symtab' -e '\.debug_info' || true)"
same 'needs only what every system has' '' \
    "$(readelf -d "$so" | sed -n 's/.*Shared library: \[\(.*\)\]/\1/p' | grep -v -x -E 'lib(c|m|gcc_s)\.so\.[0-9]|ld-linux.*' || true)"

# What it grows by is seen here; what it should be, docs/performance.md says.
if [ -n "$(std_source)" ]; then most=3600000; else most=4100000; fi
size=$(stat -c %s "$so")
same "is no larger than $most bytes" '' "$([ "$size" -le "$most" ] || echo "$size")"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
