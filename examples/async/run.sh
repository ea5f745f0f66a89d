#!/usr/bin/env bash
# usage: examples/async/run.sh [NAME…]
#
# Runs the event loops against a local control plane, and looks at what they print. Those whose tools are missing are
# skipped; ends with 77 when nothing could run.
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so in what `make install` installed
# ARMORIQ_LOCAL     the armoriq-local program; what cargo builds, if unset
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

: "${ARMORIQ_LIB_DIR:?the folder of libarmoriq.so}"
export LD_LIBRARY_PATH=$ARMORIQ_LIB_DIR${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PKG_CONFIG_PATH=$ARMORIQ_LIB_DIR/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PYTHONDONTWRITEBYTECODE=1
work=$target_dir/examples
all=(epoll asyncio ruby-ffi ruby-fiddle)

# What a thousand or two hundred checks come to. Those that the service could not answer in time are blocked, and
# nothing else may be there.
checks='(data-mcp__drop_table (BLOCK|UNANSWERED): [0-9]+
)+data-mcp__fetch_sales ALLOW: [1-9][0-9]*
(data-mcp__fetch_sales UNANSWERED: [0-9]+
)?'
many="^200 calls in flight
${checks}payments-mcp__pay_vendor HOLD
still ticking
approved
payments-mcp__pay_vendor HOLD
given up
0 calls in flight
\$"

# --- Children of scripts/with-local.sh: the control plane is up ----------------------------------------------------

# A server, and its clients.
if [ "${1:-}" = --serve ]; then
    socket=$(mktemp -u)
    "$work/epoll" "$socket" &
    for ((tries = 0; tries < 300; tries++)); do
        [ ! -S "$socket" ] || break
        sleep 0.1
    done
    code=0
    timeout 120 python3 -W error examples/async/load.py "$socket" "$ARMORIQ_LOCAL_PID" || code=$?
    kill $!
    wait $!
    exit "$code"
fi

# A program, and the person who approves: once it says that it goes on while it waits. Where it does not, nobody does.
if [ "${1:-}" = --approve ]; then
    out=$2
    shift 2
    : >"$out"
    timeout 120 "$@" >"$out" &
    until grep -q 'still ticking' "$out"; do
        kill -0 $! 2>/dev/null || break
        sleep 0.1
    done
    ! kill -0 $! 2>/dev/null || scripts/approve.sh >&2
    wait $!
    cat "$out"
    exit
fi

# --- The event loops -----------------------------------------------------------------------------------------------

loop_epoll() {
    need "${CC:-cc}" gcc
    need pkg-config pkg-config
    need python3 python3
    # A descriptor for each client, and the library's own.
    [ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 2048 ] || missing "more descriptors (ulimit -n)"
    ulimit -Sn "$(ulimit -Hn)"
    "${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror examples/async/epoll.c $(pkg-config --cflags --libs armoriq) \
        -o "$work/epoll"
    expect "^1010 in flight
1000 in flight
${checks}1000 answered, at most 1010 in flight
\$" "$PWD/examples/async/run.sh" --serve
}

loop_asyncio() {
    need python3 python3
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || missing "Python 3.10 or newer"
    expect_many python3 -X dev -W error examples/python/concurrent_checks.py
}

loop_ruby-ffi() {
    need ruby ruby
    ruby -e 'require "ffi"' 2>/dev/null || missing ruby-ffi
    expect_many ruby -W examples/ruby/concurrent_checks.rb ffi
}

loop_ruby-fiddle() {
    need ruby ruby
    expect_many ruby -W examples/ruby/concurrent_checks.rb fiddle
}

# --- Running them --------------------------------------------------------------------------------------------------

expect_many() {
    expect "$many" "$PWD/examples/async/run.sh" --approve "$work/$name.out" "$@"
}

# Runs what these words start, and compares all that it prints with a pattern. (The x keeps the last end of a line.)
expect() {
    local pattern=$1 out
    shift
    out=$(scripts/with-local.sh "$@" && echo x)
    out=${out%x}
    [[ $out =~ $pattern ]] || { printf '%s' "$out" && return 1; }
}

[ $# -gt 0 ] || set -- "${all[@]}"
mkdir -p "$work"
attempt_all loop "$@"
