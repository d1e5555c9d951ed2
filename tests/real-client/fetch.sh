#!/bin/sh
# Fetches the real Claude Code client at a pinned version and prints the path of its program on standard output.
#
# Usage: fetch.sh
#   CLAUDE_CLIENT_VERSION  another version than the newest pinned one; where none is pinned, its integrity is the one npm reports
#   CLAUDE_CLIENT_CACHE    where the client is kept (default: <target folder>/real-client)
#   REQUIRE_REAL_CLIENT=1  a client that cannot be had is a failure (exit 1); else it is a line `SKIPPED: …` on standard error
#                          and nothing on standard output (exit 0)
set -eu

version=${CLAUDE_CLIENT_VERSION:-2.1.332}
# The newer versions are one binary for each platform, the older ones a program for node.
native=@anthropic-ai/claude-code-linux-x64
script=@anthropic-ai/claude-code
# What npm reported for each version when it was pinned; a registry that answers something else is not believed.
case $version in
2.0.30)
    package=$script
    pinned=sha512-DbRYVgsuKLFxrVtjEych5Eok+OwOumYj4rUJyXBy9UEIARS6ScGjU7JzTvWJSRjT+ZHV4vTUTrakGD9FJHrFtQ==
    ;;
2.1.77)
    package=$script
    pinned=sha512-bygcy1SP50yklEJ7dEPYh3rePkVYJGpylvwsZoAvCUTeEkORJSrbpaFDu/iYuySLNlFr0uGeN4Qonqk9ZWqAug==
    ;;
2.1.119)
    package=$native
    pinned=sha512-i6nqfRnvW0IaCTJSHADxX23ykQTlYsmHRja72W92HhjyG8fudaSH2f1XM/zSbaSOp5s33mZAZ3js5coiH6Ksdw==
    ;;
2.1.200)
    package=$native
    pinned=sha512-w9sFQ2WinV504FTmkf7ApIsje/XSjIWp4778WjVEGGrXJKNurubkoY5b+lSRxHcnbEw8ROXD9qnxbKWocctlQA==
    ;;
2.1.330)
    package=$native
    pinned=sha512-9Gn+V7DtJ8M1nztP9CeDVl9g3RtrepI7rOFTyPRRnZe8D6zebIHKmC7OvBauucuAP0X0k85SDN/LPVZyjsGezQ==
    ;;
2.1.332)
    package=$native
    pinned=sha512-f4JWhzwYutJIHScC7/dYOPX6s28tt7ZADhsOi8zwOHq5fFPEuUeChh2NMfinSg0GrUckYxaeebC4h0DqiKzLcw==
    ;;
*)
    package=$native
    pinned=
    ;;
esac

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
workspace=$(dirname -- "$(dirname -- "$here")")
cache=${CLAUDE_CLIENT_CACHE:-${CARGO_TARGET_DIR:-$workspace/target}/real-client}
client=$cache/$version/claude

skip() {
    if [ "${REQUIRE_REAL_CLIENT:-}" = 1 ]; then
        echo "FAILED: the real client cannot be fetched: $1" >&2
        exit 1
    fi
    echo "SKIPPED: the tests with the real client: $1" >&2
    exit 0
}

# A folder appears under its last name only after its contents were verified: what is there is good.
if [ -x "$client" ]; then
    echo "$client"
    exit 0
fi
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || skip "it is pinned for Linux on x86_64, this is $(uname -s) on $(uname -m)"
command -v npm >/dev/null || skip "npm is not installed"
command -v openssl >/dev/null || skip "openssl is not installed"
[ "$package" = "$native" ] || node=$(command -v node) || skip "$version needs node, which is not installed"

integrity=$(npm view "$package@$version" dist.integrity --silent) || skip "npm does not find $package@$version"
if [ -n "$pinned" ] && [ "$integrity" != "$pinned" ]; then
    echo "FAILED: npm reports the integrity $integrity for $package@$version, pinned is $pinned" >&2
    exit 1
fi

mkdir -p "$cache"
fresh=$(mktemp -d "$cache/fetching.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
trap 'exit 1' HUP INT TERM
archive=$(cd "$fresh" && npm pack --silent "$package@$version") || skip "npm could not fetch $package@$version"
found=sha512-$(openssl dgst -sha512 -binary "$fresh/$archive" | openssl base64 -A)
if [ "$found" != "$integrity" ]; then
    echo "FAILED: $package@$version has the integrity $found, npm reports $integrity" >&2
    exit 1
fi
tar -xzf "$fresh/$archive" -C "$fresh" --strip-components=1 --no-same-owner
rm "$fresh/$archive"
if [ "$package" = "$script" ]; then
    # The process that is started is the client's own in the end: who kills it kills the client.
    printf '#!/bin/sh\nexec "%s" "%s/cli.js" "$@"\n' "$node" "$cache/$version" >"$fresh/claude"
fi
chmod 755 "$fresh" "$fresh/claude"
# Another run may have been faster; both have the same bytes.
mv -T "$fresh" "$cache/$version" 2>/dev/null || [ -x "$client" ]
echo "$client"
