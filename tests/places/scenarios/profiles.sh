#!/bin/bash
# Two profiles: two folders that CLAUDE_CONFIG_DIR chooses between, and one agent for both.
# shellcheck source-path=SCRIPTDIR source=../stage.sh
. "$SCENE/stage.sh"

work=$HOME/.claude-work/.credentials.json
log_in 5
log_in 5 "$work"
mkdir -p ~/.config/mcp-refreshd
printf 'stores = ["~/.claude", "~/.claude-work"]\n[log]\nfile = "%s/agent.log"\n' "$HOME" >~/.config/mcp-refreshd/config.toml
before=$(refresh_token)
before_at_work=$(refresh_token "$work")
mcp-refreshd run &
within 20 "the default store is not refreshed" refreshed "$before"
within 20 "the other store is not refreshed" refreshed "$before_at_work" "$work"
exits 0 mcp-refreshd status
[ "$(grep -c '^lab' <<<"$said")" = 2 ] || fail "status does not show both"
exits 0 env CLAUDE_CONFIG_DIR="$HOME/.claude-work" mcp-refreshd status
exits 0 mcp-refreshd check
