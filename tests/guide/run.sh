#!/usr/bin/env bash
# usage: tests/guide/run.sh [SECTION…]
#
# Runs docs/guide.md. The ```c blocks of a section, after those of "Before you start", make one program: a block with a
# line that starts with `static` or `#` stands before main, any other is part of it. It is compiled against the
# header and the shared library and runs beside a control plane, and what it prints is compared with the section's ```text
# block, in which … stands for anything in its line. Beside the program run the section's ```sh blocks, again and again
# until they succeed. A ```yaml block becomes armoriq.yaml in the folder where the program runs. A section with the
# comment `needs: mcp` runs against the control plane and the MCP server of tests/mcp/run.sh, and is skipped where
# that cannot be.
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so
# ARMORIQ_INCLUDE   the folder of armoriq.h; this repository's own when unset
# ARMORIQ_LOCAL     the armoriq-local program, as for scripts/with-local.sh
# CC                the compiler; cc when unset
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

if [ "${1:-}" = --run ]; then
    # A child of scripts/with-local.sh: the control plane is up.
    cd "$2"
    export HOME=$2 PATH=$2/bin:$PATH AGENT_ID=$3
    if [ -e person.sh ]; then
        timeout 60 bash -c 'until bash -eo pipefail person.sh; do sleep 0.2; done' >person.log 2>&1 &
        person=$!
    fi
    code=0
    timeout 60 ./program >out 2>err || code=$?
    if [ -n "${person:-}" ]; then
        # Where the program failed, nothing may be left for the person to do.
        [ "$code" = 0 ] || kill "$person"
        wait "$person" || { [ "$code" != 0 ] || { cat person.log >&2 && code=1; }; }
    fi
    cat err >&2
    exit "$code"
fi

cd "$root"
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

lib_dir=$(realpath "${ARMORIQ_LIB_DIR:?the folder of libarmoriq.so}")
include=$(realpath "${ARMORIQ_INCLUDE:-$root/include}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The library under the name that programs ask for at run time, and armoriq-local as it is typed.
mkdir "$work/lib" "$work/bin"
ln -s "$lib_dir/libarmoriq.so" "$work/lib/libarmoriq.so"
soname=$(soname "$lib_dir/libarmoriq.so")
[ -z "$soname" ] || ln -sf "$lib_dir/libarmoriq.so" "$work/lib/$soname"
# shellcheck disable=SC2016
printf '#!/bin/sh\nexec "$ARMORIQ_LOCAL" "$@" --backend "$ARMORIQ_BACKEND_URL"\n' >"$work/bin/armoriq-local"
chmod +x "$work/bin/armoriq-local"

# Takes the guide apart: a folder for each section, in it a file for each kind of block.
awk -v work="$work" '
    BEGIN { kinds["sh"] = "person.sh"; kinds["yaml"] = "armoriq.yaml"; kinds["text"] = "expected" }
    function flush() {
        kind = kinds[language]
        if (language == "c") kind = block ~ /(^|\n)(static |#)/ ? "file.c" : "main.c"
        if (kind != "" && folder != "") {
            # What the compiler complains about is to be found in the guide.
            if (language == "c") printf "#line %d \"docs/guide.md\"\n", line + 1 >> (folder "/" kind)
            printf "%s", block >> (folder "/" kind)
        }
    }
    /^```/ && !inside { inside = 1; language = substr($0, 4); block = ""; line = FNR; next }
    /^```/            { inside = 0; flush(); next }
    inside            { block = block $0 "\n"; next }
    /^## / {
        name = tolower(substr($0, 4))
        gsub(/[^a-z0-9]+/, "-", name)
        folder = work "/" name
        system("mkdir " folder)
        print name >> (work "/sections")
    }
    /^<!-- needs: mcp -->$/ { printf "" > (folder "/needs-mcp") }
' "$root/docs/guide.md"

start=$work/before-you-start
[ -e "$start/main.c" ] || { echo 'docs/guide.md has no section "Before you start"' >&2; exit 1; }

build() {
    {
        cat "$start/file.c"
        [ ! -e "$section/file.c" ] || cat "$section/file.c"
        printf 'int main(void)\n{\n'
        cat "$start/main.c" "$section/main.c"
        printf 'armoriq_client_free(client);\nreturn 0;\n}\n'
    } >"$section/program.c"
    "${CC:-cc}" -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Werror -g -I"$include" -I"$here" \
        "$section/program.c" -o "$section/program" -L"$work/lib" -larmoriq -pthread
}

run() {
    local with=$root/scripts/with-local.sh agent=sales-bot
    if [ -e "$section/needs-mcp" ]; then
        with=$root/tests/mcp/run.sh agent=mcp-bot
    fi
    ln -s "$work/bin" "$section/bin"
    ARMORIQ_LOCAL_LOG=warn LD_LIBRARY_PATH=$work/lib "$with" "$here/run.sh" --run "$section" "$agent"
}

# Compares what was printed with what the guide says, line by line.
compare() {
    local got said index pattern
    mapfile -t got <"$section/out"
    mapfile -t said <"$section/expected"
    for ((index = 0; index < ${#got[@]} || index < ${#said[@]}; index++)); do
        # Everything but … stands for itself.
        pattern=$(sed 's/[][*?\\]/\\&/g; s/…/*/g' <<<"${said[index]-}")
        # shellcheck disable=SC2053
        if [[ ${got[index]-} != $pattern ]] || ((index >= ${#got[@]} || index >= ${#said[@]})); then
            echo "line $((index + 1)) is not what the guide says:"
            diff -u --label docs/guide.md "$section/expected" "$section/out"
            return 1
        fi
    done
}

[ $# -gt 0 ] || mapfile -t all <"$work/sections"
[ $# -eq 0 ] || all=("$@")
for name in "${all[@]}"; do
    section=$work/$name
    [ -d "$section" ] || { echo "no such section: $name" >&2; exit 1; }
    [ "$section" != "$start" ] && [ -e "$section/main.c" ] || continue
    code=0
    { build && run && compare; } >"$section/log" 2>&1 || code=$?
    count "$name" "$section/log"
done
summary
