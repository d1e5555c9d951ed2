#!/usr/bin/env bash
# What users wait for: `status` with 20 servers, started cold from a shell, with and without the daemon; how large the program
# is; and, with BUILD=1, how long a clean build takes (in a temporary folder).
#
#   benches/command-line.sh
#
# MCP_REFRESHD=PROGRAM    a release build (target/release/mcp-refreshd)
#
# Needs hyperfine, jq and curl.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
program=${MCP_REFRESHD:-$target/release/mcp-refreshd}
servers=20

for tool in hyperfine jq curl; do
    command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 2; }
done
[ -x "$program" ] || { echo "$program is not there: cargo build --release" >&2; exit 2; }

scratch=$(mktemp -d)
running=()
clean_up() {
    trap - EXIT
    [ ${#running[@]} = 0 ] || kill "${running[@]}" || true
    wait
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

echo "load $(cut -d ' ' -f 1-3 /proc/loadavg), $(nproc) processors"
if [ "${BUILD:-}" = 1 ]; then
    TIMEFORMAT="build from clean: %R s, %U + %S s of processors"
    time cargo build --quiet --release --locked --manifest-path "$root/Cargo.toml" -p mcp-refreshd --target-dir "$scratch/target"
fi
echo "program: $(stat -L -c %s "$program") bytes"

cargo build --quiet --manifest-path "$root/Cargo.toml" -p scripted-server
"$target/debug/scripted-server" >"$scratch/server.log" &
running+=($!)
until [ -s "$scratch/server.log" ]; do sleep 0.05; done
url=$(head -n 1 "$scratch/server.log" | jq -r .url)
mkdir "$scratch/.claude"
for number in $(seq "$servers"); do
    curl --silent --fail "$url/_control" --data "{\"site\": \"lab-$number\", \"grant\": {\"name\": \"lab-$number\", \"left_s\": 3600}}"
done | jq -cs '{mcpOAuth: map({(.key): .entry}) | add}' >"$scratch/.claude/.credentials.json"

look() { # look TITLE
    hyperfine --shell=none --ignore-failure --warmup 20 --runs 200 --style none --export-json "$scratch/times.json" \
        "env -i HOME=$scratch $program status" >/dev/null 2>&1
    jq -r --arg title "$1" '.results[0] | [.min, .median, .max, .user + .system] | map(. * 10000 | round / 10) as [$min, $median, $max, $busy]
        | "status, \($title): median \($median) ms, \($min) to \($max) ms; \($busy) ms of a processor"' "$scratch/times.json"
}

env -i HOME="$scratch" "$program" status >/dev/null 2>&1 || true # makes its folders
look "no daemon"
env -i HOME="$scratch" "$program" run 2>"$scratch/log" &
running+=($!)
until grep -qs "started (process" "$scratch/log"; do sleep 0.05; done
look "asking the daemon"
