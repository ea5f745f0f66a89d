#!/usr/bin/env bash
# Calls a real MCP server through armoriq-local: as any HTTP client would (check.py), and by the library (invoke.c).
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so
# ARMORIQ_INCLUDE   the folder of armoriq.h, or else this repository's own
# ARMORIQ_LOCAL     the armoriq-local program, as for scripts/with-local.sh
# CC                the compiler; cc when unset
#
# Ends with 77 when it cannot run here.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
library=$(realpath "${ARMORIQ_LIB_DIR:?the folder of libarmoriq.so}")/libarmoriq.so
include=$(realpath "${ARMORIQ_INCLUDE:-$root/include}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A library with a soname is asked for by that at run time, and a build folder has it under its plain name only.
soname=$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
ln -s "$library" "$work/${soname:-libarmoriq.so}"
"${CC:-cc}" -std=c99 -Wall -Wextra -Wpedantic -Werror -g -I"$include" \
    -o "$work/invoke" "$here/invoke.c" "$library" -pthread

passed=0 failed=0
# Each with a server of its own, so that neither sees the other's calls.
run() {
    local name=$1 code=0
    shift
    "$here/run.sh" "$@" || code=$?
    [ "$code" -ne 77 ] || exit 77
    if [ "$code" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL  $name ($code)"
    fi
}
run check.py
run invoke.c env LD_LIBRARY_PATH="$work" "$work/invoke" "$root/scripts/approve.sh"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
