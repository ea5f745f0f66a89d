#!/usr/bin/env bash
# The ABI is that of the snapshot, and the gate that says so works: copies of the header are changed in the ways that
# matter, with and without a new version, and each is refused or let through for its own reason.
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --quiet --locked --package xtask
xtask=$target_dir/debug/xtask

ok() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    printf 'FAILED %s\n' "$1"
    cat "$work/log"
}

# A copy of the header that sed changed, in $work/armoriq.h.
change() {
    cp include/armoriq.h "$work/armoriq.h"
    sed -i -E "$@" "$work/armoriq.h"
    ! cmp -s include/armoriq.h "$work/armoriq.h" || die "sed changed nothing: $*"
}

# refused NAME SNAPSHOT TEXT…: the check fails and says each TEXT, and no new snapshot is written.
refused() {
    local name=$1 snapshot=$2 text
    shift 2
    cp "$snapshot" "$work/kept.json"
    if "$xtask" abi --check "$work/armoriq.h" "$snapshot" >"$work/log" 2>&1; then
        fail "$name: the check passed"
        return
    fi
    for text in "$@"; do
        if ! grep -qF -e "$text" "$work/log"; then
            fail "$name: the check does not say: $text"
            return
        fi
    done
    if "$xtask" abi "$work/armoriq.h" "$snapshot" >"$work/log" 2>&1 || ! cmp -s "$snapshot" "$work/kept.json"; then
        fail "$name: a new snapshot was written"
    else
        ok
    fi
}

# let_through NAME SNAPSHOT TEXT: the check says TEXT and asks for a new snapshot; one is written, and then it passes.
let_through() {
    local name=$1 snapshot=$2 text=$3
    if "$xtask" abi --check "$work/armoriq.h" "$snapshot" >"$work/log" 2>&1; then
        fail "$name: the old snapshot is as good as a new one"
    elif ! grep -qF -e "$text" "$work/log" || ! grep -qF 'does not have it yet: run' "$work/log"; then
        fail "$name: the check does not say: $text"
    elif ! "$xtask" abi "$work/armoriq.h" "$snapshot" >"$work/log" 2>&1; then
        fail "$name: no snapshot was written"
    elif ! "$xtask" abi --check "$work/armoriq.h" "$snapshot" >"$work/log" 2>&1; then
        fail "$name: the check fails with the new snapshot"
    else
        ok
    fi
}

committed=tests/abi/armoriq.json
if "$xtask" abi --check >"$work/log" 2>&1; then ok; else fail 'the header has the ABI of the snapshot'; fi

# The versions are those after the committed one, whatever that is.
now=$(printf '#include <armoriq.h>\nARMORIQ_ABI_VERSION' | "${CC:-cc}" -Iinclude -E -P - | tail -n 1)
version() { echo "s/^(#define ARMORIQ_ABI_VERSION) .*/\1 $1/"; }
minor=$(version $((now + 1)))
major=$(version $((((now >> 16) + 1) << 16)))

# Comments and the names of parameters are no part of the ABI.
change 's/^ \* .*//; s/armoriq_queue \*queue/armoriq_queue *the_queue/'
if "$xtask" abi --check "$work/armoriq.h" "$committed" >"$work/log" 2>&1; then ok; else fail 'no change at all'; fi

# What the check says of a change, and sed's commands for it.
while read -r text && read -r addition; do
    change "$addition"
    refused "without a new version: $text" "$committed" 'An addition is a new minor version' "$text"
    cp "$committed" "$work/next.json"
    change "$addition;$minor"
    let_through "with a new minor version: $text" "$work/next.json" "$text"
done <<'END'
added    function armoriq_queue_length
    s/^int64_t armoriq_queue_fd.*/&\nint64_t armoriq_queue_length(armoriq_queue *queue);/
added    constant ARMORIQ_ASK: 3 (armoriq_verdict)
    s/^#define ARMORIQ_HOLD .*/&\n#define ARMORIQ_ASK 3/
added    struct armoriq_pair: 8 bytes
    s/^typedef struct armoriq_call .*/&\ntypedef struct { int32_t a; int32_t b; } armoriq_pair;/
END

while read -r text && read -r breaking; do
    change "$breaking"
    refused "without a new version: $text" "$committed" 'it is a new major version' "$text"
    change "$breaking;$minor"
    refused "with a new minor version: $text" "$committed" 'it is a new major version'
    cp "$committed" "$work/next.json"
    change "$breaking;$major"
    let_through "with a new major version: $text" "$work/next.json" "$text"
done <<'END'
removed  function armoriq_queue_fd
    /^int64_t armoriq_queue_fd/d
changed  function armoriq_queue_new
    s/^(armoriq_status armoriq_queue_new\()uint32_t/\1uint64_t/
changed  function armoriq_queue_fd
    s/^int64_t (armoriq_queue_fd)/int32_t \1/
changed  function armoriq_status_name
    s/^(const char \*armoriq_status_name\()armoriq_status status/\1armoriq_status status, char **json/
changed  callback armoriq_log_fn
    s/^( +)const char \*target,/\1int32_t target,/
changed  type armoriq_verdict
    s/^typedef int32_t armoriq_verdict/typedef uint32_t armoriq_verdict/
removed  constant ARMORIQ_ERR_TIMEOUT
    /^#define ARMORIQ_ERR_TIMEOUT /d
changed  struct armoriq_completion
    s/^    armoriq_status status;/    armoriq_verdict a;/; s/^    armoriq_verdict verdict;/    armoriq_status b;/
changed  struct armoriq_completion
    s/^    armoriq_verdict verdict;/    int64_t verdict;/
removed  handle armoriq_call
    s/^typedef struct armoriq_call armoriq_call;/typedef struct armoriq_call { int32_t id; } armoriq_call;/
END

# No version makes these good.
while read -r text && read -r wrong; do
    change "$wrong;$major"
    refused "with a new major version: $text" "$committed" "$text"
done <<'END'
ARMORIQ_ERR_TIMEOUT was 71 and is 75.
    s/^(#define ARMORIQ_ERR_TIMEOUT) 71/\1 75/
ARMORIQ_ERR_TIMEOUT has the number 70, which was that of ARMORIQ_ERR_SERVICE.
    s/^(#define ARMORIQ_ERR_SERVICE) .*/\1 71/; s/^(#define ARMORIQ_ERR_TIMEOUT) .*/\1 70/
ARMORIQ_ERR_LATE and ARMORIQ_ERR_TIMEOUT are both 71
    s/^#define ARMORIQ_OK .*/&\n#define ARMORIQ_ERR_LATE 71/
ARMORIQ_ERR_LATE has the number 71, which was that of ARMORIQ_ERR_TIMEOUT.
    s/^#define ARMORIQ_ERR_TIMEOUT /#define ARMORIQ_ERR_LATE /
END

# The number of a removed constant stays reserved, in every later version.
cp "$committed" "$work/next.json"
change "/^#define ARMORIQ_ERR_TIMEOUT /d;$major"
let_through 'a constant is removed' "$work/next.json" 'removed  constant ARMORIQ_ERR_TIMEOUT'
for later in $((((now >> 16) + 1) << 16 | 1)) $((((now >> 16) + 2) << 16)); do
    change "s/^#define ARMORIQ_ERR_TIMEOUT /#define ARMORIQ_ERR_LATE /;$(version "$later")"
    refused 'its number for another' "$work/next.json" 'has the number 71, which was that of ARMORIQ_ERR_TIMEOUT.'
    change "s/^(#define ARMORIQ_ERR_TIMEOUT) 71/\1 75/;$(version "$later")"
    refused 'its name for another' "$work/next.json" 'ARMORIQ_ERR_TIMEOUT was 71 and is 75.'
done
change "s/^(#define ARMORIQ_ERR_TIMEOUT) 71/#define ARMORIQ_ERR_LATE 75/;$(version $((((now >> 16) + 1) << 16 | 1)))"
let_through 'a later version' "$work/next.json" 'added    constant ARMORIQ_ERR_LATE: 75'
change "s/^#define ARMORIQ_ERR_TIMEOUT /#define ARMORIQ_ERR_SLOW /;$(version $((((now >> 16) + 2) << 16)))"
refused 'its number, versions later' "$work/next.json" 'ARMORIQ_ERR_SLOW has the number 71'

# A snapshot of a later version than the header's.
change "$minor"
cp "$committed" "$work/next.json"
let_through 'a new version alone' "$work/next.json" 'has the number for that'
cp include/armoriq.h "$work/armoriq.h"
refused 'the version before' "$work/next.json" 'ARMORIQ_ABI_VERSION went back'

# What cannot be read is no pass either.
change 's/^int64_t armoriq_queue_fd/int64_tt armoriq_queue_fd/'
refused 'a header that is none' "$committed" 'unknown type name'
change 's/^int64_t armoriq_queue_fd.*/&\nextern int32_t armoriq_count;/'
refused 'a variable' "$committed" 'the ABI has no place for a VarDecl'

summary
