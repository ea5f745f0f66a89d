#!/usr/bin/env bash
# usage: scripts/with-local.sh COMMAND…
#
# Runs a command with a control plane beside it: armoriq-local with its demo configuration, on ports that are free. The
# command finds it, and its API key, in the environment that the SDKs read, and its process in ARMORIQ_LOCAL_PID.
# ARMORIQ_LOCAL names the program (the one that cargo builds, if unset), ARMORIQ_LOCAL_CONFIG a configuration (the demo's,
# if unset), and ARMORIQ_LOCAL_LOG_FILE where its log goes (nowhere, if unset).
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: $0 COMMAND…" >&2; exit 2; }

root=$(cd "$(dirname "$0")/.." && pwd)
local_bin=${ARMORIQ_LOCAL:-${CARGO_TARGET_DIR:-$root/target}/debug/armoriq-local}
# shellcheck source=scripts/beside.sh
. "$root/scripts/beside.sh"

config=${ARMORIQ_LOCAL_CONFIG:-$work/armoriq-local.yaml}
[ -n "${ARMORIQ_LOCAL_CONFIG:-}" ] || "$local_bin" init "$config" >/dev/null

beside armoriq-local "${ARMORIQ_LOCAL_LOG_FILE:-$work/log}" \
    "$local_bin" serve --config "$config" --listen 127.0.0.1:0

address() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$work/ready"; }
ARMORIQ_BACKEND_URL=$(address backend)
PROXY_ENDPOINT=$(address proxy)
IAP_ENDPOINT=$(address iap)
ARMORIQ_API_KEY=$(sed -n 's/^ *- *\(ak_[A-Za-z0-9_]*\) *$/\1/p' "$config" | head -n 1)
# From beside.sh.
# shellcheck disable=SC2154
export ARMORIQ_LOCAL_PID=$server
export ARMORIQ_BACKEND_URL PROXY_ENDPOINT IAP_ENDPOINT ARMORIQ_API_KEY ARMORIQ_LOCAL=$local_bin
# Loopback is never reached through a proxy.
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

"$@"
