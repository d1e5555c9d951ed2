# What the scenarios share. Sourced by each; runs as the ordinary user inside.
# shellcheck shell=bash
set -u

store=$HOME/.claude/.credentials.json
state=$HOME/.local/state/mcp-refreshd
journal=(journalctl --user --unit mcp-refreshd --no-pager --output cat)

fail() {
    echo "FAILED: $*"
    echo "--- the journal:"
    "${journal[@]}" --lines 30
    echo "--- the unit:"
    systemctl --user --no-pager status mcp-refreshd
    exit 1
}

# expect WHAT COMMAND…: it must succeed.
expect() {
    local what=$1
    shift
    "$@" || fail "$what"
}

# within SECONDS WHAT COMMAND…: it must succeed at last.
within() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "$what"
        sleep 0.1
    done
}

says() { grep -qF -- "$1" <<<"$2"; }

# begin_server SCRIPT: an authorization server with one MCP server called lab.
begin_server() {
    /scene/scripted-server --script "$1" >"$HOME/server.log" &
    within 5 "the scripted server does not start" test -s "$HOME/server.log"
    url=$(head -n 1 "$HOME/server.log" | sed 's/.*"url":"\([^"]*\)".*/\1/')
}

# log_in SECONDS: an entry in the store whose access token is good for so long.
log_in() {
    mkdir -p "$HOME/.claude"
    local granted
    granted=$(curl -sf "$url/_control" -d "{\"grant\":{\"name\":\"lab\",\"left_s\":$1}}")
    (umask 077 && sed 's/.*"key":\("[^"]*"\),"entry":\(.*\)}$/{"mcpOAuth":{\1:\2}}/' <<<"$granted" >"$store")
}

refresh_token() { sed 's/.*"refreshToken":"\([^"]*\)".*/\1/' "$store"; }
refreshed() { [ "$(refresh_token)" != "$1" ]; }
pid() { systemctl --user show --property=MainPID --value mcp-refreshd; }
is_active() { [ "$(systemctl --user is-active mcp-refreshd)" = active ]; }

# The agent as a person has it: on the PATH, from a package or from a build of their own.
if [ -e /scene/mcp-refreshd ]; then
    install -D /scene/mcp-refreshd "$HOME/.local/bin/mcp-refreshd"
fi

# What our own programs left in the home folder, by name.
left_in_home() {
    find "$HOME" -name '*mcp-refreshd*' ! -path "$HOME/.local/bin/*" ! -path "$HOME/.local/state/mcp-refreshd*" \
        ! -path "$HOME/.config/mcp-refreshd*"
}
