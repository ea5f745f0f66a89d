#!/bin/sh
# Compares the library's decisions with those of the official Python SDK, both against one armoriq-local.
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so; $ARMORIQ_PREFIX/lib when unset
# ARMORIQ_LOCAL     the armoriq-local program; $ARMORIQ_LOCAL_BIN when unset
#
# Ends with 77 when it cannot run here.
set -u

here=$(cd "$(dirname "$0")" && pwd)
lib_dir=${ARMORIQ_LIB_DIR:-${ARMORIQ_PREFIX:?the folder of libarmoriq.so: ARMORIQ_LIB_DIR}/lib}
local_program=${ARMORIQ_LOCAL:-${ARMORIQ_LOCAL_BIN:?the armoriq-local program: ARMORIQ_LOCAL}}
# shellcheck source=tests/python/environment.sh
. "$here/environment.sh"

# Neither side may find settings of the user's.
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
env -i PATH="$PATH" HOME="$home" ARMORIQ_OBSERVABILITY=off PYTHONDONTWRITEBYTECODE=1 \
    "$venv/bin/python" "$here/parity.py" "$lib_dir/libarmoriq.so" "$local_program" "$here/../data/control-plane.yaml"
