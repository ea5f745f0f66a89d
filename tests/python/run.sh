#!/bin/sh
# Compares the library's decisions with those of the official Python SDK, both against one armoriq-local.
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so; $ARMORIQ_PREFIX/lib when unset
# ARMORIQ_LOCAL     the armoriq-local program; $ARMORIQ_LOCAL_BIN when unset
#
# Ends with 77 when it cannot run here.
set -u

sdk=armoriq-sdk==0.8.17
here=$(cd "$(dirname "$0")" && pwd)
lib_dir=${ARMORIQ_LIB_DIR:-${ARMORIQ_PREFIX:?the folder of libarmoriq.so: ARMORIQ_LIB_DIR}/lib}
local_program=${ARMORIQ_LOCAL:-${ARMORIQ_LOCAL_BIN:?the armoriq-local program: ARMORIQ_LOCAL}}
venv=${CARGO_TARGET_DIR:-target}/venv

skip() {
    echo "skipped: $1"
    exit 77
}

[ -n "$(command -v python3)" ] || skip 'python3 is not installed'
if [ ! -e "$venv/$sdk" ]; then
    python3 -m venv --clear "$venv" || skip 'python3 cannot make an environment (python3-venv)'
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$sdk" || skip "$sdk cannot be installed"
    : >"$venv/$sdk"
fi

# Neither side may find settings of the user's.
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
env -i PATH="$PATH" HOME="$home" ARMORIQ_OBSERVABILITY=off PYTHONDONTWRITEBYTECODE=1 \
    "$venv/bin/python" "$here/parity.py" "$lib_dir/libarmoriq.so" "$local_program" "$here/../data/control-plane.yaml"
