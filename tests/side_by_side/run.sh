#!/usr/bin/env bash
# Runs one program with the official Python SDK and with the library, against one armoriq-local before one MCP server,
# and compares what each was told and what each asked for. See compare.py.
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so
# ARMORIQ_LOCAL     the armoriq-local program, as for scripts/with-local.sh
#
# Ends with 77 when it cannot run here.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
library=$(realpath "${ARMORIQ_LIB_DIR:?the folder of libarmoriq.so}")/libarmoriq.so
# shellcheck source=tests/python/environment.sh
. "$here/../python/environment.sh"

PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here/../python \
    "$here/../mcp/run.sh" "$venv/bin/python" "$here/compare.py" "$library"
