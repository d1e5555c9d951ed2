#!/bin/bash
# Runs the scenarios with a real systemd: what the agent promises as a service, from the installation to its removal.
#
# Usage: run.sh [SCENARIO…]       (names of files in scenarios/, without .sh; all of them by default)
#   MCP_REFRESHD=FILE   the agent's binary (default: <target folder>/debug/mcp-refreshd, built here)
#   PACKAGE=FILE.deb    installs this package instead, and the scenarios use its binary and its unit
#   SYSTEM=FOLDER       boots the system in this folder, see boot.sh
# Needs root, and what boot.sh needs.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
workspace=$(dirname "$(dirname "$here")")
target=${CARGO_TARGET_DIR:-$workspace/target}

build=(cargo build --quiet --manifest-path "$workspace/Cargo.toml" --package scripted-server)
[ -n "${MCP_REFRESHD:-}${PACKAGE:-}" ] || build+=(--package mcp-refreshd)
[ -n "${BUILT:-}" ] || "${build[@]}"
agent=${MCP_REFRESHD:-$target/debug/mcp-refreshd}

# As root from here: everything it needs is built.
if [ "$(id -u)" != 0 ]; then
    exec sudo env BUILT=1 CARGO_TARGET_DIR="$target" MCP_REFRESHD="$agent" PACKAGE="${PACKAGE:-}" SYSTEM="${SYSTEM:-}" "$0" "$@"
fi

if [ $# = 0 ]; then
    for file in "$here"/scenarios/*.sh; do
        set -- "$@" "$(basename "$file" .sh)"
    done
fi

failed=0
for scenario in "$@"; do
    scene=$(mktemp -d)
    chmod 755 "$scene"
    cp "$here/stage.sh" "$here/scenarios/$scenario.sh" "$workspace/systemd/mcp-refreshd.service" "$target/debug/scripted-server" "$scene/"
    [ -n "${PACKAGE:-}" ] || cp "$agent" "$scene/mcp-refreshd"
    chmod 755 "$scene"/*
    # A line `# boot: NAME=VALUE…` says what the machine is to be like.
    boot=$(sed -n 's/^# boot: //p' "$here/scenarios/$scenario.sh")
    began=$SECONDS
    # shellcheck disable=SC2086 # assignments are words
    if env $boot PACKAGE="${PACKAGE:-}" "$here/boot.sh" "$scene" "$scenario.sh"; then
        echo "ok      $scenario ($((SECONDS - began)) s)"
        [ -z "${VERBOSE:-}" ] || sed 's/^/        /' "$scene/output"
    else
        echo "FAILED  $scenario ($((SECONDS - began)) s)"
        [ ! -e "$scene/output" ] || sed 's/^/        /' "$scene/output"
        failed=1
    fi
    rm -rf "$scene"
done
exit "$failed"
