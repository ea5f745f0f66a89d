#!/usr/bin/env bash
# usage: PREFIX=… [LIBDIR=…] [DESTDIR=…] scripts/install.sh install|uninstall
#
# Installs what scripts/build.sh left in target/dist. The tree may be moved afterwards: the pkg-config and CMake files
# find it from where they are.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

[ "$(uname -s)" = Linux ] || die "only Linux is supported so far"

prefix=$(realpath -ms "${PREFIX:?}")
libdir=$(realpath -ms "${LIBDIR:-$prefix/lib}")
root=${DESTDIR:-}
include=$root$prefix/include
lib=$root$libdir
doc=$root$prefix/share/doc/armoriq
version=$(version)
library=libarmoriq.so.$version

install_all() {
    local soname
    [ -s "$dist_dir/static-libs" ] || die "nothing is built: run make build"
    soname=$(soname "$dist_dir/libarmoriq.so")
    install -d "$include" "$lib/pkgconfig" "$lib/cmake/armoriq" "$doc"
    install -m 644 include/armoriq.h "$include"
    install -m 755 "$dist_dir/libarmoriq.so" "$lib/$library"
    ln -sf "$library" "$lib/$soname"
    ln -sf "$soname" "$lib/libarmoriq.so"
    install -m 644 "$dist_dir/libarmoriq.a" "$lib"
    fill armoriq.pc "$lib/pkgconfig"
    fill armoriqConfig.cmake "$lib/cmake/armoriq"
    fill armoriqConfigVersion.cmake "$lib/cmake/armoriq"
    install -m 644 LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md "$doc"
    echo "installed libarmoriq $version under $root$prefix"
}

# Writes the template NAME.in, its values filled in, as FOLDER/NAME.
fill() {
    local bits static_libs
    bits=$(getconf LONG_BIT)
    static_libs=$(cat "$dist_dir/static-libs")
    sed -e "s|@PC_TO_PREFIX@|$(realpath -ms --relative-to="$libdir/pkgconfig" "$prefix")|" \
        -e "s|@CMAKE_TO_PREFIX@|$(realpath -ms --relative-to="$libdir/cmake/armoriq" "$prefix")|" \
        -e "s|@LIBRARY_FILE@|$library|" \
        -e "s|@SONAME@|$(soname "$dist_dir/libarmoriq.so")|" \
        -e "s|@VERSION@|$version|" \
        -e "s|@MAJOR@|${version%%.*}|" \
        -e "s|@POINTER_SIZE@|$((bits / 8))|" \
        -e "s|@POINTER_BITS@|$bits|" \
        -e "s|@STATIC_LIBS@|$static_libs|" \
        -e "s|@CMAKE_STATIC_LIBS@|${static_libs// /;}|" \
        "packaging/$1.in" >"$2/$1"
    chmod 644 "$2/$1"
}

uninstall_all() {
    rm -f "$include/armoriq.h" "$lib/libarmoriq.a" "$lib/libarmoriq.so" "$lib"/libarmoriq.so.[0-9]*
    rm -f "$lib/pkgconfig/armoriq.pc"
    rm -rf "$lib/cmake/armoriq" "$doc"
    echo "removed libarmoriq from $root$prefix"
}

case ${1:-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) die "usage: PREFIX=… [LIBDIR=…] [DESTDIR=…] $0 install|uninstall" ;;
esac
