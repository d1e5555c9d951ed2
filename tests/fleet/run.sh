#!/bin/bash
# Tests a fleet (docs/internals/cluster.md): five real agents that share 200 grants through three real members of etcd.
#
# Usage: run.sh [OPTION…]      (as `fleet --help` says)
#   MCP_REFRESHD=FILE   the agent's binary, built with the feature `cluster` (default: built here)
#
# Each member of etcd has a network namespace of its own, and an address for each agent, so that each agent can be cut off from each member alone.
# Needs root, and Debian's etcd-server, iproute2 and util-linux.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
workspace=$(dirname "$(dirname "$here")")
target=${CARGO_TARGET_DIR:-$workspace/target}

for program in etcd ip unshare; do
    command -v "$program" >/dev/null || { echo "needs $program" >&2; exit 2; }
done
if [ -z "${BUILT:-}" ]; then
    cargo build --quiet --manifest-path "$workspace/Cargo.toml" --package fleet
    # Apart from the usual build, which lacks the feature.
    [ -n "${MCP_REFRESHD:-}" ] || cargo build --quiet --manifest-path "$workspace/Cargo.toml" --package mcp-refreshd --features cluster
fi
agent=$(realpath "${MCP_REFRESHD:-$target/debug/mcp-refreshd}")

if [ "$(id -u)" != 0 ]; then
    exec sudo env BUILT=1 CARGO_TARGET_DIR="$target" MCP_REFRESHD="$agent" "$0" "$@"
fi

if [ -z "${IN_NAMESPACES:-}" ]; then
    export IN_NAMESPACES=1 BUILT=1 MCP_REFRESHD="$agent" CARGO_TARGET_DIR="$target"
    exec unshare --mount --pid --net --fork --kill-child --mount-proc "$0" "$@"
fi

mount -t tmpfs tmpfs /run
mkdir -p /run/netns
ip link set lo up
ip link add fleet type bridge
ip link set fleet up
# The network 10.9.AGENT.0 is the way of one agent; 10.9.0.0 that of the members of etcd among themselves.
for agent_number in 0 1 2 3 4 5; do
    ip address add "10.9.$agent_number.254/24" dev fleet
done
ip link add nowhere type veth peer name nobody
ip link set nowhere arp off up
ip link set nobody up
for member in 1 2 3; do
    ip netns add "etcd$member"
    ip link add "e$member" type veth peer name eth0 netns "etcd$member"
    ip link set "e$member" master fleet up
    ip -n "etcd$member" link set lo up
    ip -n "etcd$member" link set eth0 up
    for agent_number in 0 1 2 3 4 5; do
        ip -n "etcd$member" address add "10.9.$agent_number.$member/24" dev eth0
    done
done
exec "$target/debug/fleet" --agent "$agent" "$@"
