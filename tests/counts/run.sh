#!/bin/sh
# Counts what a check costs, in instructions under callgrind and in allocations, and compares that with what it may cost.
# Such numbers do not depend on what else the machine does. What they mean in time is `make bench`'s to say.
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so, the one that ships
# ARMORIQ_INCLUDE   the folder of armoriq.h; this repository's own when unset
# ARMORIQ_LOCAL     the armoriq-local program
# CC                the compiler; cc when unset
set -u

# A row's name and the most that one of it may take, in instructions: what was measured and at most a sixth more.
budgets='
check 9500
check_4k 59100
refusal 7100
asked 66000
session 6400
tools 5900000
'
# How many times the instructions of a check with one statement a check with 1,000 may take, in percent.
statements_budget=130
allocations_budget=1

here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
lib_dir=$(realpath "${ARMORIQ_LIB_DIR:?the folder of libarmoriq.so}") || exit 2
include=$(realpath "${ARMORIQ_INCLUDE:-$root/include}") || exit 2
times=$(sed -n 's/^enum { TIMES = \([0-9]*\) };$/\1/p' "$here/counts.c")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$work/lib" "$work/home"
ln -s "$lib_dir/libarmoriq.so" "$work/lib/libarmoriq.so"
soname=$(readelf -d "$lib_dir/libarmoriq.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ -z "$soname" ] || ln -sf "$lib_dir/libarmoriq.so" "$work/lib/$soname"

# -O1: at more, rows that do the same become one function.
"${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror -O1 -I"$include" "$here/counts.c" -o "$work/counts" \
    -L"$work/lib" -larmoriq -ldl || exit 1
"${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror -O2 -shared -fPIC "$root/benches/count_malloc.c" \
    -o "$work/count_malloc.so" || exit 1
"$root/benches/control-plane.sh" 1 10 1000 >"$work/control-plane.yaml"

cat >"$work/run" <<'END'
set -e
cd "$1"
LD_LIBRARY_PATH=$1/lib HOME=$1/home
export LD_LIBRARY_PATH HOME
LD_PRELOAD=$1/count_malloc.so ./counts allocations >allocations
valgrind --tool=callgrind --callgrind-out-file=profile --collect-atstart=no --toggle-collect='row_*' \
    ./counts instructions >log 2>&1 || { cat log; exit 1; }
callgrind_annotate --inclusive=yes --threshold=100 profile >annotated
END
ARMORIQ_LOCAL_CONFIG=$work/control-plane.yaml ARMORIQ_LOCAL_LOG=warn \
    "$root/scripts/with-local.sh" sh "$work/run" "$work" || exit 1

# The instructions of one of a row.
instructions() {
    awk -v row=":row_$1 " -v times="$times" 'index($0, row) { gsub(/,/, "", $1); n = $1 } END { printf "%d", n / times }' \
        "$work/annotated"
}

passed=0 failed=0
row() {
    if [ "$2" -gt 0 ] && [ "$2" -le "$3" ]; then
        passed=$((passed + 1)) result='ok   '
    else
        failed=$((failed + 1)) result=FAIL
    fi
    echo "$result counts $1: $2 $4, at most $3"
}

for name in $(echo "$budgets" | awk 'NF { print $1 }'); do
    row "$name" "$(instructions "$name")" "$(echo "$budgets" | awk -v name="$name" '$1 == name { print $2 }')" instructions
done
row statements "$(($(instructions statements_1000) * 100 / $(instructions statements_1)))" "$statements_budget" '%'
row allocations "$(awk '{ print int($2 + 0.999) }' "$work/allocations")" "$allocations_budget" 'a check'
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
