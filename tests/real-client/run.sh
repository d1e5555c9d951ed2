#!/bin/sh
# Runs the scenarios with the real client, in a namespace with nothing but the loopback interface.
#
# Usage: run.sh [--nobody | --naive] [--both-act SECONDS] [--at-once N] [scenario…]     (run.sh --list names them)
#        run.sh --parity [--at-once N] [words…]    the cases whose names hold these words (run.sh --parity --list names them)
#        run.sh --soak SECONDS [--seed NUMBER] [--nobody | --naive]
#   MCP_REFRESHD           the agent's binary (default: <target folder>/release/mcp-refreshd, built here)
#   SOAK_CLIENTS           the versions of the client that take part in a soak (default: five from 2.0.30 to 2.1.330)
#   OLD_CLIENTS            the older versions beside it in the scenarios of owned servers (default: 2.0.30)
#   REQUIRE_REAL_CLIENT=1  what cannot be run is a failure instead of a line `SKIPPED: …`
#   BUILT=1                the scenarios' own program is built already
#   and the variables of fetch.sh
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
workspace=$(dirname -- "$(dirname -- "$here")")
target=${CARGO_TARGET_DIR:-$workspace/target}

skip() {
    if [ "${REQUIRE_REAL_CLIENT:-}" = 1 ]; then
        echo "FAILED: the tests with the real client cannot run: $1" >&2
        exit 1
    fi
    echo "SKIPPED: the tests with the real client: $1" >&2
    exit 0
}

[ -n "${BUILT:-}" ] || cargo build --quiet --manifest-path "$workspace/Cargo.toml" --package real-client
case " $* " in
*" --list "*) exec "$target/debug/real-client" "$@" ;;
*" --nobody "* | *" --naive "*) ;;
*)
    agent=${MCP_REFRESHD:-$target/release/mcp-refreshd}
    [ -n "${MCP_REFRESHD:-}" ] || cargo build --quiet --release --manifest-path "$workspace/Cargo.toml" --package mcp-refreshd
    set -- --agent "$agent" "$@"
    ;;
esac

case " $* " in
*" --parity "*)
    # Measured with this one.
    CLAUDE_CLIENT_VERSION=${CLAUDE_CLIENT_VERSION:-2.1.332}
    export CLAUDE_CLIENT_VERSION
    command -v openssl >/dev/null || skip "openssl is not installed"
    ;;
esac
client=$("$here/fetch.sh")
[ -n "$client" ] || exit 0
case " $* " in
*" --soak "*)
    for version in ${SOAK_CLIENTS:-2.0.30 2.1.77 2.1.119 2.1.200 2.1.330}; do
        # Says itself why there is none.
        program=$(CLAUDE_CLIENT_VERSION=$version "$here/fetch.sh")
        [ -z "$program" ] || set -- "$@" --soak-client "$version=$program"
    done
    ;;
esac
case " $* " in
*" --soak "* | *" --parity "*) ;;
*)
    for version in ${OLD_CLIENTS:-2.0.30}; do
        program=$(CLAUDE_CLIENT_VERSION=$version "$here/fetch.sh")
        [ -z "$program" ] || set -- "$@" --old-client "$version=$program"
    done
    ;;
esac
command -v tmux >/dev/null || skip "tmux is not installed"
command -v script >/dev/null || skip "script (util-linux) is not installed"

# Namespaces for the network, and for the processes: whatever a scenario leaves behind dies with the run.
namespace='--net --pid --fork --kill-child --mount-proc'
[ "$(id -u)" = 0 ] || namespace="--user --map-root-user $namespace"
# shellcheck disable=SC2086 # the options are words
unshare $namespace true 2>/dev/null || skip "unshare $namespace is not permitted here"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
# The namespace's own /etc: with a name beside `localhost` that leads to the loopback interface, and a place for the settings of an
# organization, which a case may put there for itself. What cannot be read here (as another user than root) is of no use to anybody there.
mkdir "$scratch/etc"
cp -a /etc/. "$scratch/etc" 2>/dev/null || true
rm -rf "$scratch/etc/claude-code"
mkdir "$scratch/etc/claude-code"
printf '127.0.0.1 localhost\n::1 localhost\n127.0.0.1 direct.test\n' >"$scratch/etc/hosts"
# shellcheck disable=SC2086,SC2016
env -i PATH="/usr/sbin:/sbin:/usr/bin:/bin" TMPDIR="$scratch" unshare $namespace \
    sh -c 'ip link set lo up && mount --bind "$TMPDIR/etc" /etc && exec "$@"' sh "$target/debug/real-client" --client "$client" "$@" &
running=$!
# A shell that waits for a command in the foreground hears no signal until that ends.
trap 'kill -KILL "$running"; exit 1' HUP INT TERM
wait "$running"
