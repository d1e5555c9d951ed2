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

# By default, all tests with "secret_service" in their names.
tests() { cargo test --quiet -p claude-store -p mcp-refreshd --features keyring --test store --test program "$@"; }

# Built first: the bus should not wait for a compiler.
tests --no-run

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
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

# Another home moves where the keyring's files are looked for; cargo keeps its own folders.
export -f tests
# shellcheck disable=SC2016 # the words are for the inner shell
env CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" \
    HOME="$folder/home" XDG_RUNTIME_DIR="$folder/runtime" SECRET_SERVICE_TEST="$folder/keyrings" \
    dbus-run-session --config-file="$folder/bus.conf" -- \
    bash -c 'tests -- --test-threads=1 --nocapture "${1:-secret_service}"' bash "$@"
