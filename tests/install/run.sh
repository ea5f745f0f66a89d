#!/usr/bin/env bash
# What `make install` puts where, and that programs build and run with it: through pkg-config and through CMake, shared
# and static, after the tree was moved.
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(version)

skip() {
    skipped=$((skipped + 1))
    printf 'skipped: %s: %s\n' "$1" "$2"
}

install_at() { make --no-print-directory install DESTDIR="$work/dest" PREFIX=/opt/armoriq "$@"; }
uninstall_at() { make --no-print-directory uninstall DESTDIR="$work/dest" PREFIX=/opt/armoriq "$@"; }
listing() { (cd "$1" && find . ! -type d | sort); }

check 'install' install_at
expected() {
    diff - <(listing "$work/dest/opt/armoriq") <<END
./include/armoriq.h
./lib/cmake/armoriq/armoriqConfig.cmake
./lib/cmake/armoriq/armoriqConfigVersion.cmake
./lib/libarmoriq.a
./lib/libarmoriq.so
./lib/libarmoriq.so.0
./lib/libarmoriq.so.$version
./lib/pkgconfig/armoriq.pc
./share/doc/armoriq/CHANGELOG.md
./share/doc/armoriq/LICENSE-APACHE
./share/doc/armoriq/LICENSE-MIT
./share/doc/armoriq/README.md
END
}
check 'installs what it should' expected
check 'keeps within its prefix' diff <(listing "$work/dest" | grep -v '^\./opt/armoriq/') /dev/null
no_paths() { ! grep -rIl -e "$work" -e "$PWD" -e /opt/armoriq -e '@[A-Z_]*@' "$work/dest"; }
check 'names no folder of this machine' no_paths

mv "$work/dest/opt/armoriq" "$work/moved"
lib=$work/moved/lib

# Runs a quickstart against the control plane, somebody approving what it holds, and looks at what it printed.
quickstart() {
    local program=$1 out=$work/out
    # shellcheck disable=SC2016
    scripts/with-local.sh bash -c 'scripts/approve.sh & "$1" && wait $!' - "$program" >"$out" || return
    cat "$out"
    [ "$(grep -c '^ALLOW' "$out")" -eq 1 ] && [ "$(grep -c '^HOLD' "$out")" -eq 1 ] &&
        [ "$(grep -c '^BLOCK' "$out")" -eq 2 ] && grep -q '^ *approved' "$out" &&
        grep -q '^ERROR.*ARMORIQ_ERR_CONFIGURATION' "$out"
}

pc() { PKG_CONFIG_PATH=$lib/pkgconfig pkg-config "$@" armoriq; }
compile() { "${CC:-cc}" examples/c/quickstart.c -o "$@"; }
with_shared() {
    compile "$work/pc-shared" $(pc --cflags --libs) "-Wl,-rpath,$lib" && quickstart "$work/pc-shared"
}
with_static() {
    compile "$work/pc-static" $(pc --cflags) $(pc --static --libs | sed 's/-larmoriq/-l:libarmoriq.a/') &&
        ! ldd "$work/pc-static" | grep libarmoriq && quickstart "$work/pc-static"
}
if have pkg-config; then
    check 'pkg-config, shared' with_shared
    check 'pkg-config, static' with_static
    check 'pkg-config, version' [ "$(pc --modversion)" = "$version" ]
else
    skip 'pkg-config' 'it is not installed'
fi

with_cmake() {
    cmake -S tests/install -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/moved" && cmake --build "$work/cmake" &&
        ! ldd "$work/cmake/static" | grep libarmoriq && quickstart "$work/cmake/shared" && quickstart "$work/cmake/static"
}
refuses_version() {
    ! cmake -S tests/install -B "$work/cmake-$1" -DCMAKE_PREFIX_PATH="$work/moved" -DARMORIQ_VERSION="$1"
}
if have cmake; then
    check 'find_package' with_cmake
    check 'find_package of a newer version finds nothing' refuses_version 0.9
    check 'find_package of another major version finds nothing' refuses_version 1.0
else
    skip 'CMake' 'it is not installed'
fi

# With all that is in both: a linker that picks what it needs might meet no name twice.
neighbour() {
    rustc --edition 2024 -o "$work/libneighbour.a" tests/install/neighbour.rs &&
        "${CC:-cc}" -Wall -Wextra -Werror tests/install/neighbour.c -I"$work/moved/include" \
            -Wl,--whole-archive "$lib/libarmoriq.a" "$work/libneighbour.a" -Wl,--no-whole-archive \
            $(cat "$dist_dir/static-libs") -o "$work/neighbour" && "$work/neighbour"
}
check 'the static library beside another one in Rust' neighbour

check 'install below another library folder' install_at LIBDIR=/opt/armoriq/lib/x86_64-linux-gnu
multiarch() {
    local dir=$work/dest/opt/armoriq
    [ "$(PKG_CONFIG_PATH=$dir/lib/x86_64-linux-gnu/pkgconfig pkg-config --variable=includedir armoriq | xargs realpath)" = \
        "$dir/include" ]
}
! have pkg-config || check 'finds its header from there' multiarch
check 'uninstall' uninstall_at LIBDIR=/opt/armoriq/lib/x86_64-linux-gnu
check 'uninstall leaves nothing' diff <(listing "$work/dest") /dev/null

summary
