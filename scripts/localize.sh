#!/usr/bin/env bash
# usage: scripts/localize.sh IN.a OUT.a
#
# A static library made by rustc defines thousands of global symbols (Rust's standard library, its dependencies, the C
# code of the cryptography) that would clash with another Rust library in the same program. This links its objects into
# one and makes every symbol local that the header does not declare.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

[ $# -eq 2 ] || die "usage: $0 IN.a OUT.a"
in=$1 out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Only what the exports need is taken, as a program's linker would. Resolving the COMDAT groups here keeps the final
# link from dropping our copy of a section (its symbols are local by then) in favour of another library's.
mapfile -t wanted < <(declared_functions | sed 's/^/--undefined=/')
"${LD:-ld}" --relocatable --gc-sections --force-group-allocation "${wanted[@]}" "$in" -o "$work/armoriq.o"
# The bitcode that Rust's standard library carries is of no use to a program, and old LLVM plugins choke on it.
"${OBJCOPY:-objcopy}" --wildcard --keep-global-symbol='armoriq_*' --strip-unneeded \
    --remove-section=.llvmbc --remove-section=.llvmcmd "$work/armoriq.o"
rm -f "$out"
"${AR:-ar}" rcsD "$out" "$work/armoriq.o"
