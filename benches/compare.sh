#!/usr/bin/env bash
# Compares this daemon with its alternatives, all in one run on this machine; prints one table for each number of entries,
# with ratios to this daemon in brackets.
#
#   benches/compare.sh [ENTRIES…]       1 20, if none are named
#
# MCP_REFRESHD=PROGRAM    a release build (target/release/mcp-refreshd)
# PIZAUTH=PROGRAM         pizauth (https://github.com/ltratt/pizauth)
# OIDC_AGENT=PROGRAM      oidc-agent (the one on the PATH; Debian: oidc-agent-cli)
# WATCH_SECONDS=60        how long to watch each while idle
# ROUNDS=10               how many times all entries are refreshed
#
# Needs curl, jq, file, strip, and, to count writes, inotifywait (Debian: inotify-tools). All servers are on loopback, and answer a
# refresh after 50 ms. Run it as root: the daemon hides the maps of its memory and its open files from everybody else.
# shellcheck disable=SC2154 # what a contestant's file sets
set -euo pipefail
benches=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$benches")
# shellcheck source-path=SCRIPTDIR source=process.sh
. "$benches/process.sh"

target=${CARGO_TARGET_DIR:-$root/target}
MCP_REFRESHD=${MCP_REFRESHD:-$target/release/mcp-refreshd}
PIZAUTH=${PIZAUTH:-}
OIDC_AGENT=${OIDC_AGENT-$(command -v oidc-agent || true)}
watched=${WATCH_SECONDS:-60}
rounds=${ROUNDS:-10}
[ $# -gt 0 ] || set -- 1 20

for tool in curl jq file strip; do
    command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 2; }
done
[ -x "$MCP_REFRESHD" ] || { echo "$MCP_REFRESHD is not there: cargo build --release" >&2; exit 2; }

scratch=$(mktemp -d)
servers=()
measuring=
clean_up() {
    trap - EXIT
    if [ -n "$measuring" ]; then
        kill "$measuring"
        wait "$measuring" || true
    fi
    [ ${#servers[@]} = 0 ] || kill "${servers[@]}" || true
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- The servers ---

ca=$scratch/ca.pem
cargo build --quiet --manifest-path "$root/Cargo.toml" -p scripted-server
serve() { # serve SCHEME OPTION…
    local scheme=$1
    shift
    "$target/debug/scripted-server" "$@" >"$scratch/$scheme.log" &
    servers+=($!)
    until [ -s "$scratch/$scheme.log" ]; do sleep 0.05; done
}
serve http
serve https --tls --ca-file "$ca"
base() { head -n 1 "$scratch/$scheme.log" | jq -r .url | sed 's/127\.0\.0\.1/localhost/'; }

# What a contestant's file may use. A site is one entry's server.
site() { echo "$(base)/$name-$1"; }
control() { # control NUMBER JSON
    jq -c --arg site "$name-$1" '. + {site: $site}' <<<"$2" | curl --silent --fail --cacert "$ca" --data @- "$(base)/_control"
}
granted() { jq -r "$2" "$scratch/$name.grants/$1"; } # granted NUMBER FILTER
credentials() { jq -cs '{mcpOAuth: map({(.key): .entry}) | add}' "$scratch/$name.grants"/*; }

make_grants() {
    local number
    mkdir "$scratch/$name.grants"
    for number in $(seq "$entries"); do
        control "$number" "{\"set\": {\"answer\": {\"before_s\": 0.05}}, \"grant\": {\"name\": \"$name-$number\", \"left_s\": 3600}}" \
            >"$scratch/$name.grants/$number"
    done
}

# --- One contestant ---

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }
log_end() { echo $(($(wc -l <"$scratch/$scheme.log") + 1)); }
# The requests to one contestant's servers since a line of the server's log.
requests() { tail -n "+$1" "$scratch/$scheme.log" | jq -c --arg name "$name-" 'select(.site | startswith($name))'; }
fresh() { requests "$1" | jq -s 'map(select(.outcome == "fresh")) | length'; }
tell() { echo "$1=$2" >>"$results/$column"; }
per_round() { awk -v rounds="$rounds" '{ printf "%g\n", $1 / rounds }'; }
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
# Microseconds on a processor of what `time` wrote into a file.
commands_us() { awk '{ sum += $1 + $2 } END { printf "%d\n", sum * 1000000 }' "$1"; }

# Refreshes all. The time goes from the command to the moment when it has ended and the last answer is out: not every command waits.
round() {
    local since began ended answered
    since=$(log_end)
    began=$(now_us)
    { time refresh 2>>"$scratch/said"; } 2>>"$scratch/commands"
    ended=$(now_us)
    until [ "$(fresh "$since")" -ge "$entries" ]; do sleep 0.02; done
    answered=$(requests "$since" | jq -s 'map(select(.outcome == "fresh").finished_us) | max')
    [ "$answered" -lt "$ended" ] || ended=$answered
    echo $((ended - began)) >>"$scratch/times"
}

# shellcheck disable=SC2086 # a list of processes
refreshing() {
    local since before=0 watcher=
    round # the first one finds out where to ask
    sleep 1
    rm -f "$scratch/times" "$scratch/commands"
    if [ -n "$documents" ] && command -v inotifywait >/dev/null; then
        inotifywait --quiet --monitor --event "$written" --format %f "$documents" >"$scratch/writes" 2>/dev/null &
        watcher=$!
        until grep -qs ^inotify "/proc/$watcher/fdinfo"/*; do sleep 0.05; done
    fi
    since=$(log_end)
    [ -z "$pids" ] || before=$(spent_us $pids)
    for _ in $(seq "$rounds"); do round; done
    sleep 1 # what is written a little later, and the processor's time for it
    [ -z "$pids" ] || tell agent_us $((($(spent_us $pids) - before) / rounds))
    tell commands_us "$(commands_us "$scratch/commands" | per_round)"
    tell time_us "$(median <"$scratch/times")"
    tell requests "$(requests "$since" | wc -l | per_round)"
    if [ -n "$watcher" ]; then
        kill "$watcher"
        wait "$watcher" 2>/dev/null || true
        tell writes "$(grep -cxE "$document" "$scratch/writes" | per_round)"
    elif [ -z "$documents" ]; then
        tell writes 0
    fi
}

# shellcheck disable=SC2086 # a list of processes
idling() {
    local busy woken
    sleep 12 # threads that wait for names may stay 10 s
    busy=$(busy_us $pids)
    woken=$(wake_ups $pids)
    sleep "$watched"
    tell idle_us_per_hour $((($(busy_us $pids) - busy) * 3600 / watched))
    tell wake_ups_per_hour $((($(wake_ups $pids) - woken) * 3600 / watched))
    tell resident "$(resident $pids)"
    tell anonymous "$(anonymous $pids)"
    tell threads "$(threads $pids)"
    if is_open $pids; then
        tell proportional "$(proportional $pids)"
        tell open_files "$(open_files $pids)"
    fi
}

measure() { # measure COLUMN CONTESTANT SCHEME
    column=$1
    scheme=$3
    name=$1-$entries
    pids=
    # shellcheck source=/dev/null
    . "$benches/contestants/$2.sh"
    trap end EXIT
    trap 'exit 1' TERM
    make_grants
    begin
    if [ -n "$pids" ]; then
        refreshing
        idling
    else
        refreshing
        between_runs
    fi
    if file -L "$program" | grep -q ELF; then
        strip -o "$scratch/stripped" "$program"
        tell binary "$(($(stat -c %s "$scratch/stripped") / 1000))"
    fi
}

try() { # try COLUMN CONTESTANT SCHEME PROGRAM
    [ -n "$4" ] || return 0
    echo "$1, $entries entries …" >&2
    measure "$1" "$2" "$3" &
    measuring=$!
    wait "$measuring" || {
        echo failed=1 >"$results/$1"
        echo "$1 failed; it said:"
        tail -n 20 "$scratch/$1-$entries/log" "$scratch/said" || true
    } >&2
    measuring=
}

# --- The tables ---

TIMEFORMAT='%3U %3S'
for entries in "$@"; do
    results=$scratch/results.$entries
    mkdir "$results"
    try ours mcp-refreshd https "$MCP_REFRESHD"
    try ours-http mcp-refreshd http "$MCP_REFRESHD"
    try pizauth pizauth http "$PIZAUTH"
    try oidc-agent oidc-agent https "$OIDC_AGENT"
    try by-cron by-cron https "$benches/by-cron.sh"
done
echo "$(uname -sr), $(nproc) processors, load $(cut -d ' ' -f 1-3 /proc/loadavg), $(date -u +%F); each watched for $watched s, $rounds rounds"
for entries in "$@"; do
    echo
    awk -v entries="$entries" -f "$benches/table.awk" "$scratch/results.$entries"/*
done
echo
cat "$benches/notes.txt"
