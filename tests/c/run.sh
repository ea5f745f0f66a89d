#!/bin/sh
# Compiles the C tests against the header and the shared library, and runs them.
#
#   tests/c/run.sh plain|asan|valgrind [program...]
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so; $ARMORIQ_PREFIX/lib when unset
# ARMORIQ_INCLUDE   the folder of armoriq.h; $ARMORIQ_PREFIX/include, or else this repository's own
# ARMORIQ_LOCAL     the armoriq-local program, which the end_to_end programs run against; $ARMORIQ_LOCAL_BIN when unset
# CC                the compiler; cc when unset
set -u

mode=${1:?usage: run.sh plain|asan|valgrind [program...]}
shift
here=$(cd "$(dirname "$0")" && pwd)
prefix=${ARMORIQ_PREFIX:-}
lib_dir=$(realpath "${ARMORIQ_LIB_DIR:-${prefix:?the folder of libarmoriq.so: ARMORIQ_LIB_DIR}/lib}") || exit 2
include=$(realpath "${ARMORIQ_INCLUDE:-${prefix:-$here/../..}/include}") || exit 2
local_program=$(realpath "${ARMORIQ_LOCAL:-${ARMORIQ_LOCAL_BIN:?the armoriq-local program: ARMORIQ_LOCAL}}") || exit 2

flags='' runner='' divisor=1
case $mode in
plain) ;;
asan) flags='-fsanitize=address,undefined -fno-sanitize-recover=all' ;;
valgrind)
    runner='valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite'
    # Every instruction costs some thirty times as much.
    divisor=50
    ;;
*) echo "run.sh: unknown mode $mode" >&2 && exit 2 ;;
esac

work=$(mktemp -d)
server=''
stop() {
    [ -n "$server" ] && kill "$server" 2>/dev/null
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

# A library with a soname is asked for by that at run time, and a build folder has it under its plain name only.
soname=$(readelf -d "$lib_dir/libarmoriq.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
mkdir "$work/lib" "$work/home"
ln -s "$lib_dir/libarmoriq.so" "$work/lib/libarmoriq.so"
[ -z "$soname" ] || [ "$soname" = libarmoriq.so ] || ln -s "$lib_dir/libarmoriq.so" "$work/lib/$soname"

start_server() {
    "$local_program" serve --config "$here/../data/control-plane.yaml" --listen 127.0.0.1:0 >"$work/ready" 2>"$work/log" &
    server=$!
    for _ in $(seq 100); do
        [ -s "$work/ready" ] && break
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    address() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$work/ready" | head -n 1; }
    backend=$(address backend) proxy=$(address proxy) iap=$(address iap)
    if [ -z "$backend" ]; then
        echo "run.sh: armoriq-local did not start:" >&2
        cat "$work/ready" "$work/log" >&2
        exit 2
    fi
}

# What a program sees of the environment: this and nothing else. One that hangs has failed.
run() {
    name=$1
    shift
    (cd "$work/home" && env -i PATH="$PATH" HOME="$work/home" LD_LIBRARY_PATH="$work/lib" TEST_DIVISOR="$divisor" \
        "$@" timeout --kill-after=10 600 $runner "$work/$name") >"$work/out" 2>&1
}

# What a mode has no use for: the checkers bring an allocator, stacks and a clean-up of their own. The address sanitizer's
# allocator may be locked by the library's thread when queue_fork forks in the middle of calls, and stays so in the child.
case $mode in
plain) left_out='none' ;;
asan) left_out='no_memory|small_stack|queue_fork' ;;
valgrind) left_out='no_memory|small_stack|exiting' ;;
esac
[ $# -gt 0 ] || set -- $(cd "$here" && ls ./*.c | sed 's|^\./||; s|\.c$||' | grep -Evx "$left_out")
passed=0 failed=0 skipped=0
for name in "$@"; do
    # shellcheck disable=SC2086
    if ! ${CC:-cc} -std=c99 -Wall -Wextra -Wpedantic -Werror -g $flags -I"$include" -o "$work/$name" "$here/$name.c" \
        -L"$work/lib" -larmoriq -pthread >"$work/out" 2>&1; then
        status=compile
    else
        case $name in
        end_to_end_*)
            [ -n "$server" ] || start_server
            run "$name" ARMORIQ_BACKEND_URL="$backend" PROXY_ENDPOINT="$proxy" IAP_ENDPOINT="$iap" \
                ARMORIQ_API_KEY=ak_test_e2e_key_000000000000000000 ARMORIQ_LOCAL="$local_program"
            ;;
        fail_closed) run "$name" FAIL_CLOSED_TABLE="$here/../../docs/security.md" ;;
        reload) run "$name" GLIBC_TUNABLES=glibc.malloc.tcache_count=0 ;;
        *) run "$name" ;;
        esac
        status=$?
    fi
    if [ "$status" = 0 ]; then
        passed=$((passed + 1))
        echo "ok    $mode $name"
        grep '^skipped: ' "$work/out" && skipped=$((skipped + 1))
    else
        failed=$((failed + 1))
        echo "FAIL  $mode $name ($status)"
        sed 's/^/      /' "$work/out"
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
exit "$((failed > 0))"
