# shellcheck shell=bash
# What run.sh and runner.sh have in common. Wine's own folder is made in the target folder, and kept; the user's is not touched.

windows=${CARGO_TARGET_DIR:-$(git -C "$(dirname "${BASH_SOURCE[0]}")" rev-parse --show-toplevel)/target}/windows
# Debian puts the program into its own library folder.
wine=$(command -v wine64 || echo /usr/lib/wine/wine64)

need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || { echo "needs $program" >&2; exit 2; }
    done
}

# Wine 8 lacks this library, which Rust's programs and the client's load.
stand_in() { # stand_in PATH
    x86_64-w64-mingw32-gcc -shared -O2 -o "$1.$$" "$(dirname "${BASH_SOURCE[0]}")/wine/bcryptprimitives.c" -ladvapi32
    mv "$1.$$" "$1"
}

# Runs a command with $WINE in its environment, which is otherwise empty, where nothing but the loopback interface is.
in_namespace() {
    local namespace=(--net --pid --fork --kill-child --mount-proc)
    [ "$(id -u)" = 0 ] || namespace=(--user --map-root-user "${namespace[@]}")
    mkdir -p "$windows"
    # One at a time: Wine's server does not serve two namespaces.
    # shellcheck disable=SC2016 # the words are for the inner shell
    flock "$windows/lock" env -i PATH="/usr/sbin:/sbin:/usr/bin:/bin" LC_ALL=C.UTF-8 HOME="$windows" WINEPREFIX="$windows/prefix" WINEDEBUG="${WINEDEBUG:--all}" \
        WINE="$wine" RUST_BACKTRACE="${RUST_BACKTRACE:-0}" unshare "${namespace[@]}" sh -c '
            set -e
            ip link set lo up
            [ -d "$WINEPREFIX" ] || "$WINE" wineboot -i >/dev/null 2>&1
            exec "$@"
        ' sh "$@"
}

need "$wine" x86_64-w64-mingw32-gcc unshare ip flock
