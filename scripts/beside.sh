# What a script needs that runs something beside a server of its own, which ends with the script. Sourced.
# shellcheck shell=bash

work=$(mktemp -d)
server=

finish() {
    local code=$?
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# usage: beside NAME LOG COMMAND…
#
# Starts the server. It says that it is there by a line, which is then in $work/ready.
beside() {
    local name=$1 log=$2 tries
    shift 2
    "$@" >"$work/ready" 2>"$log" &
    server=$!
    for ((tries = 0; tries < 300; tries++)); do
        [ ! -s "$work/ready" ] || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    if [ ! -s "$work/ready" ]; then
        echo "$name did not start:" >&2
        cat "$log" >&2
        exit 1
    fi
}
