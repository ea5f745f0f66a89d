#!/usr/bin/env bash
# usage: tests/abi/library.sh [--write]
#
# Compares the functions of the built library, as its debug information describes them, with the snapshot in
# tests/abi/armoriq.abi, or writes that. It is the view from the other side: the header may be as it was while the code
# behind it is not. What ships has no debug information; the library that cargo builds for the tests has the same
# functions, and their ABI does not depend on how it was optimised.
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

snapshot=tests/abi/armoriq.abi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/suppressions" <<'END'
[suppress_function]
name_not_regexp = ^(.*::)?armoriq_[a-z_]+$
drop = yes
END
# Neither paths nor what the machine has are to be in it.
abidw --no-show-locs --no-corpus-path --no-comp-dir-path --no-architecture --no-elf-needed --no-parameter-names \
    --suppressions "$work/suppressions" --out-file "$work/all" "$target_dir/debug/libarmoriq.so"
python3 tests/abi/prune.py <"$work/all" >"$work/armoriq.abi"

if [ "${1:-}" = --write ]; then
    cp "$work/armoriq.abi" "$snapshot"
    echo "wrote $snapshot"
    exit
fi


# make abi writes it, where a new ARMORIQ_ABI_VERSION allows the change.
check 'the library is that of the snapshot; where that is meant, run make abi' \
    abidiff "$snapshot" "$work/armoriq.abi"

described() {
    diff <(declared_functions) <(sed -n 's/^ *<function-decl name="\(armoriq_[a-z_]*\)".*/\1/p' "$snapshot")
}
check 'every function of the header is in the snapshot' described

# abidiff sees what matters: sed's commands for a snapshot that is another. 4 is its answer for a change; 1 and 2 are
# for what it cannot read.
sees() {
    local code=0
    sed -E "$1" "$snapshot" >"$work/other.abi"
    abidiff "$work/other.abi" "$work/armoriq.abi" || code=$?
    [ $((code & 7)) -eq 4 ]
}
while read -r name && read -r edit; do
    check "abidiff sees $name" sees "$edit"
done <<'END'
a function more
    /elf-symbol name="armoriq_queue_fd"/d; /<function-decl name="armoriq_queue_fd"/,/<\/function-decl>/d
a parameter more
    /<function-decl name="armoriq_queue_new"/,/<\/function-decl>/{/<parameter/{x;s/^/x/;/^x$/{x;d};x}}
another return
    /<function-decl name="armoriq_queue_fd"/,/<\/function-decl>/s/(return type-id)="[^"]*"/\1="type-id-1"/
another integer
    s/<type-decl name="i64" size-in-bits="64"/<type-decl name="i32" size-in-bits="32"/
another layout
    s/layout-offset-in-bits="96"/layout-offset-in-bits="80"/
another size
    s/(<class-decl name="armoriq_completion") size-in-bits="192"/\1 size-in-bits="256"/
END

summary
