#!/bin/sh
# Fetches the real Claude Code client at a pinned version and prints the path of its binary on standard output.
#
# Usage: fetch.sh
#   CLAUDE_CLIENT_VERSION  another version than the pinned one; its integrity is then the one npm reports
#   CLAUDE_CLIENT_CACHE    where the client is kept (default: <target folder>/real-client)
#   REQUIRE_REAL_CLIENT=1  a client that cannot be had is a failure (exit 1); else it is a line `SKIPPED: …` on standard error
#                          and nothing on standard output (exit 0)
set -eu

pinned_version=2.1.330
# What npm reported for the pinned version when it was pinned; a registry that answers something else is not believed.
pinned_integrity=sha512-9Gn+V7DtJ8M1nztP9CeDVl9g3RtrepI7rOFTyPRRnZe8D6zebIHKmC7OvBauucuAP0X0k85SDN/LPVZyjsGezQ==

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
workspace=$(dirname -- "$(dirname -- "$here")")
package=@anthropic-ai/claude-code-linux-x64
version=${CLAUDE_CLIENT_VERSION:-$pinned_version}
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

integrity=$(npm view "$package@$version" dist.integrity --silent) || skip "npm does not find $package@$version"
if [ "$version" = "$pinned_version" ] && [ "$integrity" != "$pinned_integrity" ]; then
    echo "FAILED: npm reports the integrity $integrity for $package@$version, pinned is $pinned_integrity" >&2
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
chmod 755 "$fresh" "$fresh/claude"
# Another run may have been faster; both have the same bytes.
mv -T "$fresh" "$cache/$version" 2>/dev/null || [ -x "$client" ]
echo "$client"
