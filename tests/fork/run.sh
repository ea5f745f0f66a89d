#!/usr/bin/env bash
# usage: tests/fork/run.sh [NAME…]
#
# Processes that fork, as servers do it: a client that was used before goes on in every worker, with threads, in all
# modes, and in the master. What is missing here is skipped; ends with 77 when nothing could run.
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so
# ARMORIQ_LOCAL     the armoriq-local program, as for scripts/with-local.sh
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

: "${ARMORIQ_LIB_DIR:?the folder of libarmoriq.so}"
export ARMORIQ_LIB_DIR AGENT_ID=sales-bot PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$PWD/examples/python:$PWD/tests/fork
gunicorn=gunicorn==23.0.0
venv=$target_dir/$gunicorn
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
all=(python gunicorn-sync gunicorn-gthread ruby-ffi ruby-fiddle puma puma-phased puma-refork)

fork_python() {
    need_python
    beside_local python3 tests/fork/forks.py
}

fork_gunicorn-sync() { gunicorn sync; }
fork_gunicorn-gthread() { gunicorn gthread; }
gunicorn() {
    need_python
    if [ ! -x "$venv/bin/gunicorn" ]; then
        python3 -m venv --clear "$venv" || missing python3-venv
        "$venv/bin/pip" install --quiet --disable-pip-version-check "$gunicorn" || missing "$gunicorn"
    fi
    serve worker unix: "$venv/bin/gunicorn" --config tests/fork/gunicorn.conf.py --worker-class "$1" wsgi:application
}

fork_ruby-ffi() {
    need_ffi
    RUBY_WAY=ffi beside_local ruby -W tests/fork/preload.rb
}

fork_ruby-fiddle() {
    need ruby ruby
    RUBY_WAY=fiddle beside_local ruby -W tests/fork/preload.rb
}

# One worker ends and is replaced; all are, one after the other; all but the first are, forked from that after its use.
fork_puma() { puma_with worker; }
fork_puma-phased() { FORK_WORKER=1 puma_with SIGUSR1=3; }
fork_puma-refork() { FORK_WORKER=1 puma_with SIGURG=2; }
puma_with() {
    need puma puma
    need_ffi
    need_python
    RUBY_WAY=ffi serve "$1" unix:// puma --config tests/fork/puma.rb
}

# --- Running them --------------------------------------------------------------------------------------------------

need_python() {
    need python3 python3
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || missing "Python 3.10 or newer"
}

need_ffi() {
    need ruby ruby
    ruby -e 'require "ffi"' 2>/dev/null || missing ruby-ffi
}

beside_local() {
    timeout --kill-after=10 500 scripts/with-local.sh "$@"
}

# usage: serve HOW SCHEME COMMAND…, as tests/fork/serve.py has it
serve() {
    local how=$1 scheme=$2
    shift 2
    beside_local python3 -W error tests/fork/serve.py 3 "$how" "$work/$name" "$@" --bind "$scheme$work/$name"
}

[ $# -gt 0 ] || set -- "${all[@]}"
attempt_all fork "$@"
