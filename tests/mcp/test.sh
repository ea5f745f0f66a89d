#!/usr/bin/env bash
# Calls a real MCP server through armoriq-local: as any HTTP client would (check.py), and by the library (invoke.c).
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so
# ARMORIQ_INCLUDE   the folder of armoriq.h, or else this repository's own
# ARMORIQ_LOCAL     the armoriq-local program, as for scripts/with-local.sh
# CC                the compiler; cc when unset
#
# Ends with 77 when it cannot run here.
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build_program tests/mcp/invoke.c

# Each with a server of its own, so that neither sees the other's calls.
mcp_any-client() { tests/mcp/run.sh; }
mcp_library() { tests/mcp/run.sh env LD_LIBRARY_PATH="$work" "$work/invoke" "$PWD/scripts/approve.sh"; }

all=(any-client library)
attempt_all mcp "${all[@]}"
