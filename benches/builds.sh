#!/usr/bin/env bash
# Compares two builds of this daemon, side by side in one run: what each costs, and the ratio. Counts and sizes hold on a busy machine, too;
# times are the shortest of some runs by turns, and only worth something on a quiet one.
#
#   benches/builds.sh OLD NEW
#
# OLD_TUNABLES=…       the allocator's settings in the unit of the old build (none; the new one's are those of systemd/mcp-refreshd.service)
# ROUNDS=3             how often each storm is measured
# SERVERS="20 2000"    numbers of servers whose memory is measured
#
# The limits of the counts are asserted by `load instructions` and by the tests `footprint`. Needs valgrind and strip; run it as root, since the
# daemon hides the maps of its memory from everybody else.
set -euo pipefail
[ $# = 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
rounds=${ROUNDS:-3}
servers=${SERVERS:-20 2000}
declare -A program=([old]=$(realpath "$1") [new]=$(realpath "$2"))
for tool in valgrind strip; do
    command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 2; }
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cargo build --quiet --manifest-path "$root/Cargo.toml" -p load
# In a storm the servers' side of the handshakes is on the same processors: not that of a debug build.
cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p load
cargo test --quiet --manifest-path "$root/Cargo.toml" -p mcp-refreshd --test program --no-run

tell() { printf '%s\t%s\n' "$2" "$3" >>"$scratch/$1"; } # tell BUILD WHAT NUMBER

size() {
    strip -o "$scratch/stripped" "${program[$1]}"
    tell "$1" "program, stripped, kB" "$(($(stat -c %s "$scratch/stripped") / 1000))"
}

memory() {
    local tunables=()
    [ "$1" = new ] || tunables=("TUNABLES=${OLD_TUNABLES:-}")
    env "${tunables[@]}" MCP_REFRESHD="${program[$1]}" SERVERS="$servers" WATCH_SECONDS=3 \
        cargo test --quiet --manifest-path "$root/Cargo.toml" -p mcp-refreshd --test program -- \
        footprint::waiting --nocapture --test-threads 1 >"$scratch/said" 2>&1 || tell "$1" "memory: over a limit" 1
    # "20 servers, after their refreshes: 7656 kB resident, 6088 proportional, 1516 anonymous; …"
    sed -nE 's/(.* )?([0-9]+) servers, after[^:]*: ([0-9]+) kB resident, ([0-9?]+) proportional, ([0-9]+) anonymous.*/\2 \3 \4 \5/p' "$scratch/said" |
        while read -r count resident proportional anonymous; do
            tell "$1" "resident, $count servers, kB" "$resident"
            tell "$1" "proportional, $count servers, kB" "$proportional"
            tell "$1" "anonymous, $count servers, kB" "$anonymous"
        done
}

counts() {
    # It ends with the rows that are over their limits; those of an older build are.
    MCP_REFRESHD=${program[$1]} "$target/debug/load" instructions >"$scratch/said" 2>&1 || true
    sed -nE 's/^(.{48}) +([0-9]+) +([0-9]+)$/\1|\2|\3/p; s/^(.*page faults) +([0-9]+)$/\1|\2/p' "$scratch/said" |
        while IFS='|' read -r what first second; do
            what=${what%"${what##*[! ]}"}
            if [ -z "$second" ]; then
                tell "$1" "$what" "$first"
            else
                tell "$1" "$what: instructions" "$first"
                tell "$1" "$what: allocations" "$second"
            fi
        done
}

storm() {
    # Columns 4 and 13: until all are fresh, and the processor's time, in milliseconds.
    MCP_REFRESHD=${program[$1]} "$target/release/load" storm tls 100 | awk '$1 == 100 && NF == 14 { print $4, $13 }' >>"$scratch/storms.$1"
}

for build in old new; do
    echo "$build: ${program[$build]}" >&2
    size "$build"
    memory "$build"
    counts "$build"
done
for _ in $(seq "$rounds"); do
    for build in old new; do storm "$build"; done
done
for build in old new; do
    tell "$build" "100 entries on 10 servers over TLS, ms" "$(sort -n "$scratch/storms.$build" | awk 'NR == 1 { print $1 }')"
    tell "$build" "processor for it, ms" "$(sort -k 2n "$scratch/storms.$build" | awk 'NR == 1 { print $2 }')"
done

echo "$(uname -sr), $(nproc) processors, load $(cut -d ' ' -f 1-3 /proc/loadavg), $(date -u +%F)"
echo
echo "| what | old | new | ratio |"
echo "|---|---|---|---|"
awk -F '\t' 'NR == FNR { old[$1] = $2; next }
    { printf "| %s | %s | %s | %s |\n", $1, ($1 in old ? old[$1] : "-"), $2, (old[$1] > 0 ? sprintf("%.2f", $2 / old[$1]) : "-") }' \
    "$scratch/old" "$scratch/new"
