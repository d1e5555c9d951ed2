#!/usr/bin/env bash
# The agent for Windows under Wine, in a namespace with nothing but the loopback interface.
#
#   tests/windows/run.sh [SCENARIO…]   with the real Windows client
#   tests/windows/run.sh --tests       the crates' own tests
#
# Needs Debian's wine64 and gcc-mingw-w64-x86-64, Rust's target x86_64-pc-windows-gnu, and for the client npm and openssl. Wine's own
# folder is made in the target folder, and kept; the user's is not touched.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/windows/prepare.sh

triple=x86_64-pc-windows-gnu
target=${CARGO_TARGET_DIR:-$PWD/target}
rustup target add "$triple" >/dev/null 2>&1

# All of them in each call: with another choice cargo chooses other features, and builds their libraries again. Tests that Windows cannot
# pass are left out where they stand (`cfg(unix)`), with the reason.
crates=(-p oauth-secret -p claude-store -p token-endpoint -p refresh-engine -p user-agent-service -p mcp-refreshd -p mcp-refreshdw)
tests=(--lib --test store --test wire --test engine --test program)
cargo build --quiet --target "$triple" "${crates[@]}" --bin mcp-refreshd --bin mcp-refreshdw "${tests[@]}"
if [ "${1:-}" = --tests ]; then
    CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=$PWD/tests/windows/runner.sh \
        cargo test --quiet --no-fail-fast --target "$triple" "${crates[@]}" "${tests[@]}" --bin mcp-refreshdw
    exit
fi

version=2.1.332
# What npm reported when it was pinned; a registry that answers something else is not believed.
pinned=sha512-BqPm3Fqw8LqRooC8QZUVAfaepl+jNb7JV1yp1atCyoU6kpm1CZ7z/6+IUHsrD8ljq/K2yb13obMw0mo3BA5dzw==
package=@anthropic-ai/claude-code-win32-x64
mkdir -p "$windows/agent" "$windows/client"
if [ ! -e "$windows/client/claude.exe" ]; then
    need npm openssl
    archive=$(cd "$windows" && npm pack --silent "$package@$version")
    found=sha512-$(openssl dgst -sha512 -binary "$windows/$archive" | openssl base64 -A)
    [ "$found" = "$pinned" ] || { echo "$package@$version has the integrity $found, pinned is $pinned" >&2; exit 1; }
    # It appears under its last name only when it is whole.
    mkdir -p "$windows/fresh"
    tar -xzf "$windows/$archive" -C "$windows/fresh" --strip-components=1 --no-same-owner
    mv "$windows/fresh/claude.exe" "$windows/client/claude.exe"
    rm -r "$windows/${archive:?}" "$windows/fresh"
fi
[ -n "${BUILT:-}" ] || cargo build --quiet -p windows-client
cp "$target/$triple/debug/"mcp-refreshd{,w}.exe "$windows/agent/"
x86_64-w64-mingw32-gcc -O2 -o "$windows/agent/hold.exe" tests/windows/wine/hold.c
x86_64-w64-mingw32-gcc -O2 -municode -o "$windows/agent/schtasks.exe" tests/windows/wine/schtasks.c
for programs in agent client; do stand_in "$windows/$programs/bcryptprimitives.dll"; done
# shellcheck disable=SC2016 # the words are for the inner shell
in_namespace sh -c '
    program=$1 folder=$2
    shift 2
    exec "$program" --wine "$WINE" --prefix "$WINEPREFIX" --agent "$folder/agent/mcp-refreshd.exe" --client "$folder/client/claude.exe" "$@"
' sh "$target/debug/windows-client" "$windows" "$@"
