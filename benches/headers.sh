#!/bin/bash
# How long Claude Code's helper takes, beside the start of the bare program: `headers` with a fresh token and a running agent, and `--version`.
#
# Usage: headers.sh [RUNS]     (default: 500 of each, by turns)
#   MCP_REFRESHD=FILE    the program (default: <target folder>/release/mcp-refreshd)
#
# Prints the median and the 95th percentile of whole processes in milliseconds, and the ratio of the medians. Times depend on what else runs;
# the instructions are counted, and limited, by `load instructions`.
set -eu

workspace=$(dirname "$(dirname "$(realpath "$0")")")
program=$(realpath "${MCP_REFRESHD:-${CARGO_TARGET_DIR:-$workspace/target}/release/mcp-refreshd}")
runs=${1:-500}
home=$(mktemp -d)
agent=
trap '[ -z "$agent" ] || kill "$agent"; rm -rf "$home"' EXIT
# Without the URL, so that the second run does not look like a refused token.
export HOME=$home CLAUDE_CODE_MCP_SERVER_NAME=lab
unset CLAUDE_CODE_MCP_SERVER_URL XDG_RUNTIME_DIR XDG_STATE_HOME XDG_CONFIG_HOME CLAUDE_CONFIG_DIR CLAUDE_SECURESTORAGE_CONFIG_DIR MCP_REFRESHD_SOCKET

mkdir "$home/.claude"
(
    umask 077
    printf '{"mcpOAuth":{"lab|00":{"serverName":"lab","serverUrl":"https://lab.invalid/mcp","accessToken":"at_made_up","refreshToken":"rt_made_up","clientId":"c","expiresAt":%s000}}}' \
        $(($(date +%s) + 86400)) >"$home/.claude/.credentials.json"
)
"$program" run --log-file "$home/log" &
agent=$!
until "$program" status >/dev/null 2>&1; do sleep 0.1; done
[ "$("$program" headers)" = '{"Authorization":"Bearer at_made_up"}' ] || { echo "these are not the headers" >&2; exit 1; }

# microseconds COMMAND…: of one whole process.
microseconds() {
    local began=${EPOCHREALTIME/./}
    "$@" >/dev/null
    echo $((${EPOCHREALTIME/./} - began))
}
for ((run = 0; run < runs; run++)); do
    microseconds "$program" --version >>"$home/version"
    microseconds "$program" headers >>"$home/headers"
done

# of FILE PERCENT
of() { sort -n "$1" | awk -v percent="$2" '{ all[NR] = $1 } END { printf "%.2f\n", all[int((NR - 1) * percent / 100) + 1] / 1000 }'; }
printf '%-10s %8s %8s\n' '' 'median' '95 %'
for what in version headers; do
    printf '%-10s %8s %8s ms\n' "$what" "$(of "$home/$what" 50)" "$(of "$home/$what" 95)"
done
awk -v one="$(of "$home/headers" 50)" -v other="$(of "$home/version" 50)" 'BEGIN { printf "ratio of the medians: %.2f\n", one / other }'
