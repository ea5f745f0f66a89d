#!/usr/bin/env bash
# usage: tests/mcp/run.sh [COMMAND…]
#
# Runs a command beside an MCP server of the official Python SDK (server.py) and an armoriq-local before it. The command
# (check.py, if none is given) finds the control plane in the environment that the SDKs read: ARMORIQ_BACKEND_URL,
# PROXY_ENDPOINT, IAP_ENDPOINT, ARMORIQ_API_KEY; the agent is mcp-bot and the MCP server tools-mcp. MCP_SERVER_URL is the
# MCP server itself, and MCP_PYTHON a Python that has the SDK. ARMORIQ_LOCAL names the armoriq-local program, as for
# scripts/with-local.sh.
#
# Ends with 77 when it cannot run here.
set -euo pipefail

sdk='mcp>=2,<3'
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${CARGO_TARGET_DIR:-$root/target}/mcp-venv

skip() {
    echo "skipped: $1"
    exit 77
}

command -v python3 >/dev/null || skip 'python3 is not installed'
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || skip 'the MCP SDK needs Python 3.10'
if [ ! -e "$venv/complete" ]; then
    python3 -m venv --clear "$venv" || skip 'python3 cannot make an environment (python3-venv)'
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$sdk" || skip "$sdk cannot be installed"
    : >"$venv/complete"
fi

# shellcheck source=scripts/beside.sh
. "$root/scripts/beside.sh"
beside 'the MCP server' "$work/log" env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/server.py"
MCP_SERVER_URL=$(cat "$work/ready")
export MCP_SERVER_URL MCP_PYTHON=$venv/bin/python
sed "s#{{url}}#$MCP_SERVER_URL#" "$here/control-plane.yaml" >"$work/control-plane.yaml"

[ $# -gt 0 ] || set -- "$MCP_PYTHON" -B "$here/check.py"
ARMORIQ_LOCAL_CONFIG=$work/control-plane.yaml "$root/scripts/with-local.sh" "$@"
