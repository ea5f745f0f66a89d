#!/usr/bin/env bash
# usage: tests/guide/check_names.sh
#
# Checks that every test that docs/differences.md names exists: in the last column of its tables a path, a Rust test, a
# function of a C test, or a scenario that wire_replay replays.
cd "$(dirname "$0")/../.." || exit 2
set -euo pipefail
export LC_ALL=C

tests=$(mktemp)
trap 'rm -f "$tests"' EXIT
{
    # A Rust test is a function below its attribute.
    find src engine tests local -name '*.rs' -exec awk '
        /#\[(tokio::)?test/ { is_test = 1 }
        is_test && match($0, /fn [a-z0-9_]+/) { print substr($0, RSTART + 3, RLENGTH - 3); is_test = 0 }' {} +
    sed -n 's/^\(static\|HELPER\) void \([a-z0-9_]*\)(.*/\2/p' tests/c/*.c tests/c/*.h
    sed -n '/^scenarios! {/,/^}/s/^ *\([a-z0-9_]*\),$/\1/p' tests/wire_replay.rs
} | sort -u >"$tests"

named=$(awk -F '|' '/^\| .* \|$/ && !/^\| (---|the official SDK )/ { print $(NF - 1) }' docs/differences.md)
rows=$(wc -l <<<"$named")
without=$(grep -vc '`' <<<"$named" || true)
missing=0 count=0
while read -r name; do
    count=$((count + 1))
    [ -e "$name" ] || grep -qxF -e "$name" "$tests" || {
        echo "docs/differences.md names $name, which is no test"
        missing=$((missing + 1))
    }
done < <(grep -o '`[^`]*`' <<<"$named" | tr -d '`' | sort -u)
[ "$without" = 0 ] || echo "docs/differences.md has $without rows that name no test"
echo "$count names in $rows rows"
[ "$missing" = 0 ] && [ "$without" = 0 ] && [ "$count" -gt 0 ]
