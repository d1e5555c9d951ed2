#!/usr/bin/env bash
# Fuzzes every target (or those named), one after the other, and fails on any crash.
#   fuzz/nightly.sh [SECONDS [TARGET...]]     SECONDS for each target (default: 600)
# New inputs are in fuzz/found; fuzz/README.md says how to keep them.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-600}
shift $(($# > 0))
# The fuzzer needs flags of the nightly compiler; this makes the stable one accept them.
export RUSTC_BOOTSTRAP=1
# Nothing here is `unsafe`, so crashes are panics: without a sanitizer it executes several times as many inputs.
cargo_fuzz() { # cargo_fuzz COMMAND ARGUMENT...
    cargo fuzz "$1" --sanitizer none "${@:2}"
}

command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(cargo fuzz list)

cargo_fuzz build
logs=$(mktemp -d)
trap 'rm -r "$logs"' EXIT
crashed=()
row() { printf '%-14s %12s %9s %9s %8s %8s\n' "$@"; }
row target executions per_second coverage corpus crashes | tee "$logs/table"
for target in "${targets[@]}"; do
    log=$logs/$target
    crashes=0
    ./corpus.sh unpack "$target"
    cargo_fuzz run "$target" "found/$target" -- -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -dict="dictionaries/$target.dict" -print_final_stats=1 >"$log" 2>&1 || crashes=1
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    row "$target" "${executions:-?}" "$((${executions:-0} / (seconds > 0 ? seconds : 1)))" "${coverage:-?}" \
        "$(find "found/$target" -type f | wc -l)" "$crashes" | tee -a "$logs/table"
    if [ "$crashes" = 1 ]; then
        crashed+=("$target")
        # The panic, the input, and the command.
        grep -m 1 -A 1 'panicked at' "$log" >&2 || tail -n 20 "$log" >&2
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        echo "  input:   ${input:-none was written}" >&2
        [ -z "$input" ] || echo "  command: RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz --sanitizer none $target $input" >&2
    fi
done
if [ ${#crashed[@]} -gt 0 ]; then
    echo "crashed: ${crashed[*]}" >&2
    exit 1
fi
