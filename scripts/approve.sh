#!/usr/bin/env bash
# Plays the person who approves: waits for the first held call at the control plane of scripts/with-local.sh, approves
# it, and ends.
set -euo pipefail

for ((tries = 0; tries < 300; tries++)); do
    id=$("$ARMORIQ_LOCAL_BIN" approvals --json --backend "$ARMORIQ_BACKEND_URL" |
        sed -n 's/.*"delegationId": *"\([^"]*\)".*/\1/p' | head -n 1)
    if [ -n "$id" ]; then
        echo "       \$ armoriq-local approve $id --as bob@example.com"
        "$ARMORIQ_LOCAL_BIN" approve "$id" --as bob@example.com --backend "$ARMORIQ_BACKEND_URL" >/dev/null
        exit
    fi
    sleep 0.2
done
echo "nothing was held within a minute" >&2
exit 1
