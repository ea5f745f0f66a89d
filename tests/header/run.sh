#!/usr/bin/env bash
# The header as programs include it: alone, twice, in C and in C++, by every compiler that is here, without a warning.
# And the program that the header and the README show is examples/c/hello.c, word for word.
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wcomment -Wundef -Werror)

supports() {
    echo 'int x;' | "$1" "-std=$2" -x "$3" -fsyntax-only - 2>/dev/null
}

# Compiles with COMPILER as LANGUAGE of STANDARD: the header once and twice, and tests/header/uses.c.
compile() {
    local compiler=$1 language=$2 standard=$3
    supports "$compiler" "$standard" "$language" || return 0
    local flags=(-x "$language" "-std=$standard" "${warnings[@]}" -Iinclude -c -o /dev/null)
    [ "$language" != c ] || flags+=(-Wstrict-prototypes)
    check "$compiler $standard, alone" "$compiler" "${flags[@]}" "$work/alone"
    check "$compiler $standard, twice" "$compiler" "${flags[@]}" "$work/twice"
    check "$compiler $standard, used" "$compiler" "${flags[@]}" tests/header/uses.c
}

echo '#include <armoriq.h>' >"$work/alone"
cat "$work/alone" "$work/alone" >"$work/twice"
for compiler in gcc clang; do
    have "$compiler" || continue
    for standard in c99 c11 c17 c2x c23; do compile "$compiler" c "$standard"; done
done
for compiler in g++ clang++; do
    have "$compiler" || continue
    for standard in c++11 c++17 c++20 c++23; do compile "$compiler" c++ "$standard"; done
done

# An ignored status is a warning, unless the program said that it wants none.
ignores='#include <armoriq.h>
void f(void) { armoriq_client_new(ARMORIQ_ABI_VERSION, NULL, NULL, NULL); }'
refuses() { ! "${CC:-cc}" -Iinclude -Wall -Werror -c -o /dev/null "$@" -x c - <<<"$ignores"; }
accepts() { "${CC:-cc}" -Iinclude -Wall -Werror -c -o /dev/null "$@" -x c - <<<"$ignores"; }
check 'an ignored status is a warning' refuses
check 'ARMORIQ_MUST_USE can be defined as nothing' accepts -DARMORIQ_MUST_USE=

# Nothing but the two standard headers is included, and nothing without the prefix is defined.
only_standard_headers() { ! grep '^ *# *include' include/armoriq.h | grep -v -e '<stddef.h>' -e '<stdint.h>'; }
only_prefixed_macros() { ! grep '^ *# *define' include/armoriq.h | grep -v '# *define ARMORIQ_'; }
check 'includes only stddef.h and stdint.h' only_standard_headers
check 'defines only ARMORIQ_ macros' only_prefixed_macros

# The same program in three places.
in_header() { diff <(sed -n '/^ \*     #include <armoriq.h>$/,/^ \*     }$/s/^ \* \{0,5\}//p' include/armoriq.h) examples/c/hello.c; }
# The backquotes are Markdown.
# shellcheck disable=SC2016
in_readme() { diff <(sed -n '/^```c$/,/^```$/p' README.md | sed '1d;/^```$/,$d') examples/c/hello.c; }
check 'the header shows examples/c/hello.c' in_header
check 'the README shows examples/c/hello.c' in_readme

summary
