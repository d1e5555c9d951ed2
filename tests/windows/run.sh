#!/usr/bin/env bash
# The agent for Windows and the real Windows client, both under Wine, in a namespace with nothing but the loopback interface.
#
#   tests/windows/run.sh [SCENARIO…]
#
# Needs Debian's wine64 and gcc-mingw-w64-x86-64, npm, openssl, and Rust's target x86_64-pc-windows-gnu. Wine's own folder is made
# anew in the target folder, and kept; the user's is not touched.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=2.1.332
# What npm reported when it was pinned; a registry that answers something else is not believed.
pinned=sha512-BqPm3Fqw8LqRooC8QZUVAfaepl+jNb7JV1yp1atCyoU6kpm1CZ7z/6+IUHsrD8ljq/K2yb13obMw0mo3BA5dzw==
package=@anthropic-ai/claude-code-win32-x64
triple=x86_64-pc-windows-gnu
target=${CARGO_TARGET_DIR:-$PWD/target}
folder=$target/windows

# Debian puts the program into its own library folder.
wine=$(command -v wine64 || echo /usr/lib/wine/wine64)
[ -x "$wine" ] || { echo "needs wine64" >&2; exit 2; }
for program in x86_64-w64-mingw32-gcc npm openssl unshare; do
    command -v "$program" >/dev/null || { echo "needs $program" >&2; exit 2; }
done

rustup target add "$triple" >/dev/null 2>&1
cargo build --quiet -p mcp-refreshd --target "$triple"
cargo build --quiet -p windows-client

mkdir -p "$folder/agent" "$folder/client"
if [ ! -e "$folder/client/claude.exe" ]; then
    archive=$(cd "$folder" && npm pack --silent "$package@$version")
    found=sha512-$(openssl dgst -sha512 -binary "$folder/$archive" | openssl base64 -A)
    [ "$found" = "$pinned" ] || { echo "$package@$version has the integrity $found, pinned is $pinned" >&2; exit 1; }
    # It appears under its last name only when it is whole.
    mkdir -p "$folder/fresh"
    tar -xzf "$folder/$archive" -C "$folder/fresh" --strip-components=1 --no-same-owner
    mv "$folder/fresh/claude.exe" "$folder/client/claude.exe"
    rm -r "$folder/${archive:?}" "$folder/fresh"
fi
cp "$target/$triple/debug/mcp-refreshd.exe" "$folder/agent/"
x86_64-w64-mingw32-gcc -O2 -o "$folder/agent/hold.exe" tests/windows/wine/hold.c
for programs in agent client; do
    x86_64-w64-mingw32-gcc -shared -O2 -o "$folder/$programs/bcryptprimitives.dll" tests/windows/wine/bcryptprimitives.c -ladvapi32
done

namespace=(--net --pid --fork --kill-child --mount-proc)
[ "$(id -u)" = 0 ] || namespace=(--user --map-root-user "${namespace[@]}")
# shellcheck disable=SC2016 # the words are for the inner shell
exec env -i PATH="/usr/sbin:/sbin:/usr/bin:/bin" LC_ALL=C.UTF-8 HOME="$folder" WINEPREFIX="$folder/prefix" WINEDEBUG=-all \
    unshare "${namespace[@]}" sh -c '
        set -e
        ip link set lo up
        wine=$1 program=$2 folder=$3
        shift 3
        [ -d "$WINEPREFIX" ] || "$wine" wineboot -i >/dev/null 2>&1
        exec "$program" --wine "$wine" --prefix "$WINEPREFIX" --agent "$folder/agent/mcp-refreshd.exe" --client "$folder/client/claude.exe" "$@"
    ' sh "$wine" "$target/debug/windows-client" "$folder" "$@"
