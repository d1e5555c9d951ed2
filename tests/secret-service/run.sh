#!/usr/bin/env bash
# The store in a keyring, and the whole agent on it, with a real gnome-keyring-daemon on a session bus of its own.
#
#   tests/secret-service/run.sh [NAME]     # only the tests whose name contains NAME
#
# Needs dbus-daemon, dbus-send (dbus), gnome-keyring-daemon (gnome-keyring) and secret-tool (libsecret-tools). The keyring of the user
# who runs it is not touched: bus, home and all files lie in a folder that is removed at the end.
set -euo pipefail
cd "$(dirname "$0")/../.."

for program in dbus-run-session dbus-send gnome-keyring-daemon secret-tool; do
    command -v "$program" >/dev/null || { echo "needs $program" >&2; exit 2; }
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Built first: the bus should not wait for a compiler. What was built is run by itself: another cargo may make the program anew meanwhile,
# without the feature.
cargo test -p claude-store -p mcp-refreshd --features keyring --test store --test program --no-run 2>"$folder/built" ||
    { cat "$folder/built" >&2 && exit 1; }
mapfile -t programs < <(sed -nE 's/^ *Executable .*\((.*)\)$/\1/p' "$folder/built")
[ "${#programs[@]}" = 2 ] || { cat "$folder/built" >&2 && exit 1; }
cp "$(dirname "${programs[0]}")/../mcp-refreshd" "$folder/mcp-refreshd"

mkdir -m 700 "$folder/home" "$folder/runtime"

# Without activation: a keyring that was killed stays dead until the test starts it again.
cat >"$folder/bus.conf" <<XML
<busconfig>
  <type>session</type>
  <listen>unix:dir=$folder/runtime</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
XML

# By default, all tests with "secret_service" in their names. Cargo starts tests in their crate's folder.
for program in "${programs[@]}"; do
    program=$(realpath "$program")
    crate=mcp-refreshd
    [[ ${program##*/} != store-* ]] || crate=claude-store
    env -C "crates/$crate" MCP_REFRESHD="$folder/mcp-refreshd" HOME="$folder/home" XDG_RUNTIME_DIR="$folder/runtime" \
        SECRET_SERVICE_TEST="$folder/keyrings" \
        dbus-run-session --config-file="$folder/bus.conf" -- "$program" --test-threads=1 --nocapture "${1:-secret_service}"
done
