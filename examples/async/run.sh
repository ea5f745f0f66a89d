#!/usr/bin/env bash
# usage: examples/async/run.sh
#
# Runs the event loops against a local control plane. Those whose tools are missing are skipped; ends with 77 when nothing
# could run.
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so in what `make install` installed
# ARMORIQ_LOCAL     the armoriq-local program; what cargo builds, if unset
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

: "${ARMORIQ_LIB_DIR:?the folder of libarmoriq.so}"
export LD_LIBRARY_PATH=$ARMORIQ_LIB_DIR${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PKG_CONFIG_PATH=$ARMORIQ_LIB_DIR/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
have "${CC:-cc}" || { echo "skipped: epoll: install gcc" && exit 77; }
have pkg-config || { echo "skipped: epoll: install pkg-config" && exit 77; }

work=$target_dir/examples
mkdir -p "$work"
"${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror examples/async/epoll.c $(pkg-config --cflags --libs armoriq) \
    -o "$work/epoll"
out=$(timeout 120 scripts/with-local.sh "$work/epoll") || die "epoll: $out"
[[ $out =~ ^1000\ completed,\ [1-9][0-9]*\ allowed,\ 0\ wrong$ ]] || die "epoll: $out"
echo "passed: epoll"
