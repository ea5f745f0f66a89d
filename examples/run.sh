#!/usr/bin/env bash
# usage: examples/run.sh [LANGUAGE…]
#
# Builds each language's quickstart, runs it twice against a local control plane, somebody approving what it holds, and
# compares what it prints with what the C one prints. A language whose tools are missing is skipped. Ends with 77 when
# nothing could run.
#
# ARMORIQ_LIB_DIR   the folder of libarmoriq.so in what `make install` installed; what `make build` left, if unset
# ARMORIQ_LOCAL     the armoriq-local program; what cargo builds, if unset
# GSON_JAR          Gson, for Java; where Debian puts it, if unset
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

work=$target_dir/examples
all=(cpp go-cgo go-purego java node python ruby-ffi ruby-fiddle swift-modulemap)

if [ "${1:-}" = --run ]; then
    # A child of scripts/with-local.sh: the control plane is up.
    out=$2
    shift 2
    : >"$out"
    for _ in first second; do
        scripts/approve.sh >/dev/null &
        approver=$!
        timeout 120 "$@" >>"$out" || { kill "$approver" && exit 1; }
        wait "$approver"
    done
    ! grep -F -e "$ARMORIQ_API_KEY" -e not-a-key "$out" || die "it prints a secret"
    exit
fi

# --- The languages: how each is built and run ----------------------------------------------------------------------

lang_c() {
    "${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror examples/c/quickstart.c \
        $(pkg-config --cflags --libs armoriq) -o "$work/c"
    run "$work/c"
    # What the others are compared with is to be right.
    local once='ALLOW BLOCK BLOCK HOLD waiting approved ERROR'
    [ "$(awk '{ printf "%s ", $1 }' "$work/c.out")" = "$once $once " ]
}

lang_cpp() {
    need "${CXX:-c++}" g++
    pkg-config --exists nlohmann_json || missing nlohmann-json3-dev
    "${CXX:-c++}" -std=c++17 -Wall -Wextra -Wpedantic -Werror examples/cpp/quickstart.cpp \
        $(pkg-config --cflags --libs armoriq nlohmann_json) -o "$work/cpp"
    run "$work/cpp"
}

lang_go-cgo() { go_with 1; }
lang_go-purego() { go_with 0; }
go_with() {
    need go golang-go
    (cd examples/go && CGO_ENABLED=$1 go vet . && CGO_ENABLED=$1 go build -o "$work/$name" .)
    run "$work/$name"
}

lang_java() {
    local home
    home=$(java_home)
    [ -n "$home" ] || missing "a JDK, 22 or newer"
    [ -e "${GSON_JAR:=/usr/share/java/gson.jar}" ] || missing libgoogle-gson-java
    run "$home/bin/java" --enable-native-access=ALL-UNNAMED -cp "$GSON_JAR" examples/java/Quickstart.java
}

# The first JDK that is new enough: the user's own, or one of those that lie where systems keep them.
java_home() {
    local home path
    path=$(command -v java) && path=$(dirname "$(dirname "$(realpath "$path")")")
    for home in "${JAVA_HOME:-}" "$path" /usr/lib/jvm/*; do
        # The file names the version: JAVA_VERSION="25.0.3".
        if [ -x "$home/bin/javac" ] && [ "$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$home/release")" -ge 22 ]; then
            echo "$home"
            return
        fi
    done
}

lang_node() {
    need node nodejs
    need npm npm
    # Its packages go beside a copy: the checkout stays as it is.
    rm -rf "$work/node"
    cp -r examples/node "$work/node"
    npm --prefix "$work/node" ci --ignore-scripts --no-audit --no-fund
    run node "$work/node/quickstart.mjs"
    refuses_nul node --input-type=module -e "
        import {Client} from '$work/node/armoriq.mjs';
        try { new Client().forUser('alice\\0@example.com'); } catch (error) { console.log(error.name, error.message); }"
}

lang_python() {
    need python3 python3
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || missing "Python 3.10 or newer"
    run env PYTHONDONTWRITEBYTECODE=1 python3 -W error examples/python/quickstart.py
    refuses_nul env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=examples/python python3 -c '
from armoriq import Client
try:
    Client().for_user("alice\0@example.com")
except ValueError as error:
    print("ValueError", error)'
}

lang_ruby-ffi() {
    need ruby ruby
    ruby -e 'require "ffi"' 2>/dev/null || missing "ruby-ffi"
    run ruby -W examples/ruby/quickstart.rb ffi
    ruby_refuses_nul ffi
}

lang_ruby-fiddle() {
    need ruby ruby
    run ruby -W examples/ruby/quickstart.rb fiddle
    ruby_refuses_nul fiddle
}

ruby_refuses_nul() {
    refuses_nul ruby -W -I examples/ruby -r "armoriq/$1" -e '
        begin
          Armoriq::Client.open { |client| client.for_user("alice\0@example.com") { |_| } }
        rescue ArgumentError => error
          puts "ArgumentError #{error.message}"
        end'
}

# Swift itself is not needed: what it imports is looked at by the compiler that it uses for that.
lang_swift-modulemap() {
    need clang clang
    clang -x objective-c -fmodules -fmodules-cache-path="$work/modules" -fsyntax-only -Wall -Werror \
        -fmodule-map-file=examples/swift/Sources/CArmoriq/module.modulemap $(pkg-config --cflags armoriq) - <<'END'
@import CArmoriq;
armoriq_status (*function)(armoriq_client *, const char *, armoriq_user_scope **, char **) = armoriq_for_user;
unsigned version = ARMORIQ_ABI_VERSION;
END
}

# --- Running them --------------------------------------------------------------------------------------------------

# Runs the program that these words start, and looks at what it printed.
run() {
    scripts/with-local.sh "$PWD/examples/run.sh" --run "$work/$name.out" "$@"
    sed -i 's/[0-9a-f]\{8\}\(-[0-9a-f]\{4\}\)\{3\}-[0-9a-f]\{12\}/<id>/' "$work/$name.out"
    diff "$work/c.out" "$work/$name.out"
}

# A NUL ends a text in C: what stands before it would be checked, and the whole text used. The program hands one over, and
# prints the error of its language that says so.
refuses_nul() {
    local said
    said=$(ARMORIQ_API_KEY=ak_test_of_an_example "$@")
    [[ $said == *Error*[Nn][Uu][Ll]* ]] || die "a text with a NUL is not refused: $said"
}

prepare() {
    have "${CC:-cc}" || { echo "skipped: a C compiler is missing: install gcc" && exit 77; }
    have pkg-config || { echo "skipped: pkg-config is missing: install pkg-config" && exit 77; }
    mkdir -p "$work"
    if [ -z "${ARMORIQ_LIB_DIR:-}" ]; then
        PREFIX=$work/prefix LIBDIR=$work/prefix/lib DESTDIR='' scripts/install.sh install
        ARMORIQ_LIB_DIR=$work/prefix/lib
    fi
    [ -n "${ARMORIQ_LOCAL:-}" ] || cargo build --locked --package armoriq-local
    export ARMORIQ_LIB_DIR
    export PKG_CONFIG_PATH=$ARMORIQ_LIB_DIR/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
    export LD_LIBRARY_PATH=$ARMORIQ_LIB_DIR${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

[ $# -gt 0 ] || set -- "${all[@]}"
chosen=()
for wanted; do
    before=${#chosen[@]}
    for name in "${all[@]}"; do
        [[ $name != "$wanted" && $name != "$wanted"-* ]] || chosen+=("$name")
    done
    [ ${#chosen[@]} -gt "$before" ] || die "no such language: $wanted (there are ${all[*]})"
done

prepare
: >"$work/c.out"
name=c
attempt lang_c "$work/c.log"
[ "$code" -eq 0 ] || { cat "$work/c.log" && die "the C quickstart failed"; }

attempt_all lang "${chosen[@]}"
