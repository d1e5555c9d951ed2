#!/usr/bin/env bash
# Makes the order of the functions in a release build anew: crates/mcp-refreshd/release-order.ld, by which what runs lies together. Nothing breaks
# while it is out of date; resident memory and page faults grow with what the program has that is not in it.
#
#   benches/order.sh
#
# It builds the program as it is released, but with its symbols and without an order, and has valgrind note what runs: in the agent with refreshes
# over TLS, in `status`, and in `headers`. Then benches/order.py chooses the patterns. Five minutes, most of them the build. Look at the numbers of
# patterns and kilobytes that it prints, and at the result with `benches/builds.sh OLD NEW`.
#
# Needs valgrind, nm and python3.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
script=$root/crates/mcp-refreshd/release-order.ld
for tool in valgrind nm python3; do
    command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 2; }
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/ran"
cd "$root"

# With a linker of one's choice build.rs leaves the usual layout: valgrind knows the functions of no other section than .text.
CARGO_PROFILE_RELEASE_STRIP=none RUSTFLAGS="-Csymbol-mangling-version=v0 -Clinker=cc" \
    cargo build --locked --release -p mcp-refreshd --target-dir "$target/order"
program=$target/order/release/mcp-refreshd
cargo build --locked -p load
cargo test --locked -p mcp-refreshd --test program --no-run

agent() { # agent COMMANDS: the program, of which valgrind watches these commands. An agent that is killed has told most by then.
    cat >"$scratch/agent" <<END
#!/bin/sh
case \$1 in
$1) exec valgrind -q --tool=callgrind --demangle=no --dump-every-bb=500000 --log-file=/dev/null \
    --callgrind-out-file="$scratch/ran/\$1.%p" "$program" "\$@" ;;
*) exec "$program" "\$@" ;;
esac
END
    chmod +x "$scratch/agent"
}

agent run
# The limits of memory are those of 20 servers without valgrind.
MCP_REFRESHD=$scratch/agent SERVERS=19 WATCH_SECONDS=1 cargo test --locked --quiet -p mcp-refreshd --test program -- footprint::waiting
agent "run | status | headers"
# It ends with the counts that are over their limits: valgrind's own.
MCP_REFRESHD=$scratch/agent "$target/debug/load" faults >/dev/null || true

python3 benches/order.py "$program" "$scratch/ran" >"$scratch/script"
mv "$scratch/script" "$script"
