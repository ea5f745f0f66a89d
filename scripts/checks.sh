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

# attempt_all PREFIX NAME…: attempts each function PREFIX_NAME, which logs to $work/NAME.log, and ends with the summary.
attempt_all() {
    local prefix=$1
    shift
    for name; do
        declare -F "${prefix}_$name" >/dev/null || die "there is no $name (there are ${all[*]})"
        attempt "${prefix}_$name" "$work/$name.log"
        count "$name" "$work/$name.log"
    done
    summary
}

# build_program SOURCE: compiles a C program of a test into $work, where the library that it finds at run time is, too:
# the one in ARMORIQ_LIB_DIR, with the header in ARMORIQ_INCLUDE or else the repository's own.
build_program() {
    local library name
    library=$(realpath "${ARMORIQ_LIB_DIR:?the folder of libarmoriq.so}")/libarmoriq.so
    # One with a soname is asked for by that, and a build folder has it under its plain name only.
    name=$(soname "$library")
    ln -sf "$library" "$work/${name:-libarmoriq.so}"
    "${CC:-cc}" -std=c99 -Wall -Wextra -Wpedantic -Werror -g -I"$(realpath "${ARMORIQ_INCLUDE:-include}")" \
        -o "$work/$(basename "$1" .c)" "$1" "$library" -pthread
}

summary() {
    [ $((passed + failed)) -gt 0 ] || exit 77
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}
