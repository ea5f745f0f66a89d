#!/usr/bin/env bash
# Measures the library that ships against its targets, and writes docs/performance.md. A machine that is busy makes the
# times longer, and the ratios hardly: nothing here passes or fails. What must not get worse is in tests/counts.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

bench_dir=$target_dir/bench
# Of its own: one of the benches has the library as a dependency, and would put another build of it in the place of what
# ships.
built_dir=$bench_dir/target/release
results=$bench_dir/results
document=docs/performance.md
sdk=armoriq-sdk==0.8.17

# Where its memory and its threads come to lie differs by 3 % from one process to the next: of nine, the one in the middle.
overhead() {
    for _ in {1..9}; do "$bench_dir/overhead"; done | sort -k1,1 -k4,4g -k2,2g |
        awk '{ lines[$1, ++count[$1]] = $0 } END { for (name in count) print lines[name, (count[name] + 1) / 2] }'
}

# Beside a control plane with one policy: what a bundle takes is not the library's.
if [ "${1:-}" = --cold ]; then
    exec "$bench_dir/cold" "$bench_dir/libarmoriq.so" "$bench_dir/libarmoriq_bench_client.so" "$bench_dir/noop.so"
fi
if [ "${1:-}" = --run ]; then
    # A child of scripts/with-local.sh: the control plane is up.
    export LD_LIBRARY_PATH=$bench_dir
    "$bench_dir/check"
    LD_PRELOAD=$bench_dir/count_malloc.so "$bench_dir/check" allocations
    if [ -x "$bench_dir/overhead" ]; then overhead; fi
    if [ -x "$bench_dir/venv/bin/python" ]; then
        HOME=$bench_dir/home ARMORIQ_OBSERVABILITY=off "$bench_dir/venv/bin/python" benches/sdk.py
    fi
    "$built_dir/armoriq-bench-compile"
    exit
fi

build() {
    local package
    scripts/build.sh
    cargo build --locked --package armoriq-local
    for package in armoriq-bench armoriq-bench-client armoriq-bench-compile; do
        cargo build --locked --release --manifest-path benches/Cargo.toml --target-dir "$bench_dir/target" \
            --package "$package"
    done

    mkdir -p "$bench_dir/home"
    cp "$dist_dir/libarmoriq.so" "$built_dir/libarmoriq_bench.so" \
        "$built_dir/libarmoriq_bench_client.so" "$bench_dir"
    ln -sf libarmoriq.so "$bench_dir/$(soname "$bench_dir/libarmoriq.so")"
    local flags=(-std=c11 -O2 -Wall -Wextra -Wpedantic -Werror)
    "${CC:-cc}" "${flags[@]}" -shared -fPIC benches/count_malloc.c -o "$bench_dir/count_malloc.so"
    "${CC:-cc}" "${flags[@]}" -Iinclude benches/check.c -o "$bench_dir/check" -L"$bench_dir" \
        -larmoriq -larmoriq_bench -pthread -ldl
    "${CC:-cc}" "${flags[@]}" -Iinclude benches/cold.c -o "$bench_dir/cold" -ldl
    echo 'int noop(void) { return 0; }' | "${CC:-cc}" "${flags[@]}" -shared -fPIC -x c - \
        -o "$bench_dir/noop.so"
    rm -f "$bench_dir/overhead"
    if install_curl; then
        "${CC:-cc}" "${flags[@]}" -Iinclude benches/overhead.c -o "$bench_dir/overhead" -L"$bench_dir" \
            -larmoriq -larmoriq_bench_client -lcurl -pthread
    else
        echo "libcurl's headers cannot be installed (libcurl4-openssl-dev): its rows are left out"
    fi
    benches/control-plane.sh 10 >"$bench_dir/one-policy.yaml"
    benches/control-plane.sh 1 10 100 1000 >"$bench_dir/control-plane.yaml"
}

# libcurl, where it can be had.
install_curl() {
    have curl-config && return
    have apt-get && [ "$(id -u)" -eq 0 ] &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libcurl4-openssl-dev
}

# The official SDK, where it can be had.
install_sdk() {
    [ -e "$bench_dir/venv/$sdk" ] && return
    python3 -m venv --clear "$bench_dir/venv" &&
        "$bench_dir/venv/bin/pip" install --quiet --disable-pip-version-check "$sdk" &&
        : >"$bench_dir/venv/$sdk"
}

# --- The document --------------------------------------------------------------------------------------------------

# A number of a result's line: 2 is what was measured, 3 what it is compared with, 4 the ratio. Empty where there is none.
result() {
    awk -v name="$1" -v column="$2" '$1 == name { print $column }' "$results"
}

# row MEASURE TARGET MEASURED VALUE RELATION LIMIT: whether VALUE is within LIMIT, and what is shown for it.
row() {
    local met='not measured'
    [ -z "$4" ] || met=$(awk -v value="$4" -v relation="$5" -v limit="$6" \
        'BEGIN { print (relation == "<=" ? value <= limit : value >= limit) ? "yes" : "**no**" }')
    echo "| $1 | $2 | ${4:+$3} | $met |"
}

# What is printed of a time in nanoseconds.
time_of() {
    awk -v ns="$1" 'BEGIN { if (ns < 1e3) printf "%.0f ns", ns; else if (ns < 1e6) printf "%.2f µs", ns / 1e3; else printf "%.2f ms", ns / 1e6 }'
}

ratio_row() {
    local measured
    measured="$(result "$3" 4) × ($(time_of "$(result "$3" 2)") against $(time_of "$(result "$3" 3)"))"
    row "$1" "$2" "$measured" "$(result "$3" 4)" "$4" "$5"
}

table() {
    local check sdk compile session tools explained threads size
    check=$(result check 2) sdk=$(result sdk 2) compile=$(result compile 2) session=$(result session 2)
    tools=$(result tools 2) explained=$(result explained 2)
    echo "| measure | target | measured | met |"
    echo "| --- | --- | --- | --- |"
    ratio_row "check, 100 B of arguments, 10 statements with four conditions, against the floor" "≤ 3 ×" check "<=" 3
    row "the same against the official SDK's \`session.check\`" "≥ 150 × faster" \
        "$(awk -v a="${sdk:-0}" -v b="$check" 'BEGIN { printf "%.0f", a / b }') × ($(time_of "${sdk:-0}"))" \
        "$([ -z "$sdk" ] || awk -v a="$sdk" -v b="$check" 'BEGIN { print a / b }')" ">=" 150
    ratio_row "check, 4 KiB of arguments, against the floor" "≤ 2 ×" check_4k "<=" 2
    ratio_row "1,000 statements against 1" "≤ 1.3 ×" statements "<=" 1.3
    for threads in "threads:a session each" "threads_one_session:one session"; do
        row "two threads against one, ${threads#*:}" "≥ 1.8 × throughput" "$(result "${threads%%:*}" 4) ×" \
            "$(result "${threads%%:*}" 4)" ">=" 1.8
    done
    echo "| the floor on two threads against one: what this machine gives | | $(result threads_floor 4) × | |"
    row "allocations per check" "≤ 3" "$(result allocations 2)" "$(result allocations 2)" "<=" 3
    row "cedar-policy $cedar on the same 100-policy request, JSON in" "≥ 20 × faster" \
        "$(result cedar 4) × ($(time_of "$(result cedar 2)") against $(time_of "$(result cedar 3)"))" \
        "$(result cedar 4)" ">=" 20
    row "compile a bundle of 1,000 statements" "≤ 5 ms" "$(time_of "$compile")" "$compile" "<=" 5000000
    ratio_row "a batch of 100 checks against 100 checks" "≤ 0.5 ×" batch "<=" 0.5
    row "session start + free" "≤ 1 µs" "$(time_of "$session")" "$session" "<=" 1000
    row "\`armoriq_session_tools\`, 1,000 tools and 1,000 statements" "≤ 1 ms" "$(time_of "$tools")" "$tools" "<=" 1000000
    ratio_row "check in sdk mode against libcurl sending the same request, p50, connections kept" "≤ 1.15 ×" curl "<=" 1.15
    echo "| the same against reqwest alone | | $(result reqwest 4) × ($(time_of "$(result reqwest 2)") against \
$(time_of "$(result reqwest 3)")) | |"
    row "the same as the first on 8 threads" "≥ 1 × throughput" \
        "$(result curl_threads 4) × ($(result curl_threads 2) against $(result curl_threads 3) a second)" \
        "$(result curl_threads 4)" ">=" 1
    row "check while the service is down, p99, after five faults" "≤ 1 ms" "$(time_of "$(result refused 2)")" \
        "$(result refused 2)" "<=" 1000000
    ratio_row "from \`dlopen\` to a client, against reqwest alone" "≤ 1.5 ×" cold "<=" 1.5
    row "memory after 1,000 checks by a policy of ten statements, over a library that does nothing" "≤ 4 MB" \
        "$(awk -v kilobytes="$(result memory 2)" -v own="$(result memory 3)" \
            'BEGIN { printf "%.1f MB, of which %.1f MB are not pages of the library", kilobytes / 1000, own / 1000 }')" \
        "$(result memory 2)" "<=" 4000
    size=$(stat -c %s "$bench_dir/libarmoriq.so")
    row "size of the shared library" "≤ 3.5 MB" "$(awk -v size="$size" 'BEGIN { printf "%.1f MB", size / 1e6 }')" \
        "$size" "<=" 3500000
    row "\`cause\` and \`for_model\` of a refusal" "≤ 40 ns" "$(time_of "$explained")" "$explained" "<=" 40
}

write_document() {
    local cedar cpu
    cedar=$(awk '/^name = "cedar-policy"$/ { getline; gsub(/"/, ""); print $3 }' benches/Cargo.lock)
    cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
    cat <<END
# How fast it is

Written by \`make bench\`, which builds what ships and measures it through the C ABI.

$(table)

A call through the ABI that does nothing takes $(time_of "$(result call 2)") (a function of the bench's own library:
$(time_of "$(result call 3)")); reading the 1,000 statements' JSON, before they are compiled, $(time_of "$(result compile 3)").

Machine: ${cpu:-unknown CPU}, $(nproc) cores, Linux $(uname -r), $(rustc --version | cut -d ' ' -f 1,2),
$("${CC:-cc}" --version | head -n 1), load $(cut -d ' ' -f 1 /proc/loadavg), $(date -u +%F).

$(cat benches/notes.md)
END
}

mkdir -p "$bench_dir"
build
have python3 && install_sdk || echo "the official SDK cannot be installed: its row is left out"
export ARMORIQ_LOCAL_LOG=warn
{
    ARMORIQ_LOCAL_CONFIG=$bench_dir/one-policy.yaml scripts/with-local.sh "$PWD/scripts/bench.sh" --cold
    ARMORIQ_LOCAL_CONFIG=$bench_dir/control-plane.yaml scripts/with-local.sh "$PWD/scripts/bench.sh" --run
} | tee "$results"
write_document >"$document"
echo
sed -n '/^|/p' "$document"
echo "written: $document"
