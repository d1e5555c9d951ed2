#!/usr/bin/env bash
# What one would write without an agent: refreshes, one by one, every entry of Claude Code's document that expires soon.
# Written for the comparison (benches/compare.sh), and as good as such a script can be. Its limits: it takes none of Claude Code's
# locks, and an answer is lost if the script is killed.
#
#   benches/by-cron.sh [DOCUMENT [SECONDS]]      SECONDS: what an entry has to have left at least (600)
#
# In a crontab: */5 * * * * by-cron.sh
set -euo pipefail

document=${1:-$HOME/.claude/.credentials.json}
margin=${2:-600}
endpoints=${XDG_CACHE_HOME:-$HOME/.cache}/by-cron
mkdir -p "$endpoints"

# Only one instance at a time.
exec 9>"$endpoints/lock"
flock --nonblock 9 || exit 0

# Look up each issuer's token endpoint once.
token_endpoint() {
    local known path origin url
    known=$endpoints/$(printf %s "$1" | sha256sum | cut -c 1-16)
    if [ ! -s "$known" ]; then
        origin=$(grep -oE '^https?://[^/]+' <<<"$1")
        path=${1#"$origin"}
        for url in "$origin/.well-known/oauth-authorization-server${path%/}" "${1%/}/.well-known/openid-configuration"; do
            curl --silent --fail --max-time 30 "$url" | jq -er .token_endpoint >"$known" && break
        done
    fi
    cat "$known"
}

# Tokens never appear on a command line, where everybody can read them: requests and answers go through pipes.
refresh() { # refresh KEY
    local entry endpoint answer beside
    entry=$(jq -c --arg key "$1" '.mcpOAuth[$key]' "$document") || return 1
    endpoint=$(token_endpoint "$(jq -r .issuer <<<"$entry")") || return 1
    answer=$(jq -rj '{grant_type: "refresh_token", refresh_token: .refreshToken, client_id: .clientId, resource: .serverUrl}
            | to_entries | map("\(.key)=\(.value | @uri)") | join("&")' <<<"$entry" |
        curl --silent --fail --max-time 30 --data-binary @- "$endpoint") || return 1
    beside=$(mktemp "$document.XXXXXX") || return 1 # readable by its owner only
    # The present document, not the one from before the request.
    if { cat "$document" && printf %s "$answer"; } | jq -cs --arg key "$1" '.[1] as $new | .[0]
            | .mcpOAuth[$key].accessToken = $new.access_token
            | .mcpOAuth[$key].refreshToken = ($new.refresh_token // .mcpOAuth[$key].refreshToken)
            | .mcpOAuth[$key].expiresAt = ((now + $new.expires_in) * 1000 | floor)' >"$beside" &&
        sync "$beside" && mv "$beside" "$document"; then
        return 0
    fi
    rm -f "$beside"
    return 1
}

due=$(jq -r --argjson margin "$margin" '.mcpOAuth | to_entries[]
    | select(.value.refreshToken and .value.expiresAt < (now + $margin) * 1000) | .key' "$document")
failed=0
while IFS= read -r key; do
    [ -z "$key" ] || refresh "$key" || { echo "by-cron: $key was not refreshed" >&2; failed=1; }
done <<<"$due"
exit "$failed"
