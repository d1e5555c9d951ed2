#!/bin/sh
# Installs the servers at their pinned versions and runs the agent against each of them, on loopback only.
#
# Usage: run.sh [NAME…]            (only these servers; an unknown name lists them all)
#   MCP_REFRESHD        the agent's binary (default: <target folder>/debug/mcp-refreshd, built here)
#   REAL_SERVERS_CACHE  where the packages are kept (default: <target folder>/real-servers)
# Needs node and npm (20 or newer), and Python with pip (3.11 or newer).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
workspace=$(dirname -- "$(dirname -- "$here")")
target=${CARGO_TARGET_DIR:-$workspace/target}
cache=${REAL_SERVERS_CACHE:-$target/real-servers}

for program in node npm python3; do
    command -v "$program" >/dev/null || { echo "needs $program" >&2; exit 2; }
done

agent=${MCP_REFRESHD:-$target/debug/mcp-refreshd}
[ -n "${MCP_REFRESHD:-}" ] || cargo build --quiet --manifest-path "$workspace/Cargo.toml" --package mcp-refreshd

# A folder for each set of pinned packages; it has its last name only when all of them are in it.
set_of=$(cat "$here/package-lock.json" "$here/requirements.txt" | sha256sum | cut -c 1-16)
packages=$cache/$set_of
if [ ! -d "$packages" ]; then
    mkdir -p "$cache"
    fresh=$(mktemp -d "$cache/installing.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    trap 'exit 1' HUP INT TERM
    cp "$here/package.json" "$here/package-lock.json" "$fresh"
    # No package needs its scripts here: workerd's only checks what npm has installed.
    (cd "$fresh" && npm ci --silent --ignore-scripts --no-audit --no-fund)
    # The file names all packages, those that others need included.
    python3 -m pip install --quiet --no-deps --no-compile --root-user-action ignore --target "$fresh/python" --requirement "$here/requirements.txt"
    # Another run may have been faster; both have the same packages.
    mv -T "$fresh" "$packages" 2>/dev/null || [ -d "$packages" ]
    rm -rf "$fresh"
    trap - EXIT HUP INT TERM
fi
# Node looks for packages beside the script that it runs.
cp -R "$here/servers" "$packages"

export PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/harness/main.py" --agent "$agent" --packages "$packages" "$@"
