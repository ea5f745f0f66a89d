# What tests in shell share: they count what passed, and end with the line that the suite reads. They source it after
# common.sh, and have a folder, $work.
# shellcheck shell=bash disable=SC2154

passed=0 failed=0 skipped=0

# check NAME COMMAND…: counts whether the command succeeds, and shows what it said where it does not.
check() {
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n' "$name"
        cat "$work/log"
    fi
}

# attempt FUNCTION LOG: runs the function in a shell of its own that stops at the first error, which a condition would
# switch off. Its end is in $code.
attempt() {
    set +e
    (
        set -e
        "$1"
    ) >"$2" 2>&1 </dev/null
    code=$?
    set -e
}

# count NAME LOG: counts what was attempted by its end. 77 is one that cannot run here, and the log's last line says why.
count() {
    case $code in
        0)
            passed=$((passed + 1))
            echo "passed: $1"
            ;;
        77)
            skipped=$((skipped + 1))
            tail -n 1 "$2"
            ;;
        *)
            failed=$((failed + 1))
            echo "FAILED: $1 ($code)"
            sed 's/^/      /' "$2"
            ;;
    esac
}

# For a function that is attempted as $name: it cannot run here without these.
missing() {
    echo "skipped: $name: install $*"
    exit 77
}

# need PROGRAM PACKAGE
need() {
    have "$1" || missing "$2"
}

summary() {
    [ $((passed + failed)) -gt 0 ] || exit 77
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}
