#!/bin/bash
# Tests the places in docs/places.md: the real agent without a service manager, in containers, behind links, in two profiles.
#
# Usage: run.sh [PLACE…]       (names of files in scenarios/, without .sh; all of them by default)
#   SCENARIOS=FOLDER    other scenarios than those of the places
#   MCP_REFRESHD=FILE   the agent's binary (default: <target folder>/debug/mcp-refreshd, built here)
#
# Each place has namespaces of its own (mounts, processes, a network with loopback only) and a folder that is removed. Needs root,
# and Debian's util-linux, iproute2, curl, stow, tmux, bsdutils and nix-bin.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
workspace=$(dirname "$(dirname "$here")")
scenarios=${SCENARIOS:-$here/scenarios}
target=${CARGO_TARGET_DIR:-$workspace/target}

build=(cargo build --quiet --manifest-path "$workspace/Cargo.toml" --package scripted-server)
[ -n "${MCP_REFRESHD:-}" ] || build+=(--package mcp-refreshd)
[ -n "${BUILT:-}" ] || "${build[@]}"
agent=$(realpath "${MCP_REFRESHD:-$target/debug/mcp-refreshd}")

if [ "$(id -u)" != 0 ]; then
    exec sudo env BUILT=1 SCENARIOS="$scenarios" CARGO_TARGET_DIR="$target" MCP_REFRESHD="$agent" "$0" "$@"
fi

if [ $# = 0 ]; then
    for file in "$scenarios"/*.sh; do
        set -- "$@" "$(basename "$file" .sh)"
    done
fi

failed=0
for place in "$@"; do
    scene=$(mktemp -d)
    mkdir "$scene/bin" "$scene/home"
    cp "$agent" "$scene/bin/mcp-refreshd"
    cp "$target/debug/scripted-server" "$scene/bin/"
    cp "$here/stage.sh" "$scenarios/$place.sh" "$scene/"
    began=$SECONDS
    if timeout -k 5 "${LIMIT:-120}" unshare --mount --pid --net --ipc --fork --kill-child --mount-proc \
        env -i HOME="$scene/home" PATH="$scene/bin:/usr/sbin:/usr/bin:/sbin:/bin" LANG=C.UTF-8 USER=root SCENE="$scene" WORKSPACE="$workspace" \
        bash "$scene/$place.sh" >"$scene/output" 2>&1; then
        echo "ok      $place ($((SECONDS - began)) s)"
        [ -z "${VERBOSE:-}" ] || sed 's/^/        /' "$scene/output"
    else
        echo "FAILED  $place ($((SECONDS - began)) s)"
        sed 's/^/        /' "$scene/output"
        failed=1
    fi
    rm -rf --one-file-system "$scene"
done
exit "$failed"
