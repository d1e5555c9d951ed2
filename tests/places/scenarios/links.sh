#!/bin/bash
# Configuration and Claude Code's folder are links into dotfiles, made by stow.
# shellcheck source-path=SCRIPTDIR source=../stage.sh
. "$SCENE/stage.sh"

echo "--- the configuration, and Claude Code's whole folder"
dotfiles=$HOME/dotfiles
mkdir -p "$dotfiles/refreshd/.config/mcp-refreshd" ~/.config
printf '[log]\nfile = "%s/agent.log"\n' "$HOME" >"$dotfiles/refreshd/.config/mcp-refreshd/config.toml"
log_in 5 "$dotfiles/claude/.claude/.credentials.json"
(cd "$dotfiles" && stow refreshd claude) || fail stow
{ [ -L ~/.claude ] && [ -L ~/.config/mcp-refreshd ]; } || fail "stow made no links"
real=$dotfiles/claude/.claude/.credentials.json
before=$(refresh_token "$real")
mcp-refreshd run &
within 20 "the store behind the link is not refreshed" refreshed "$before" "$real"
[ -L ~/.claude ] || fail "the link is gone"
exits 0 mcp-refreshd logs
exits 0 mcp-refreshd doctor --offline
kill %2
wait %2

echo "--- the file alone"
(cd "$dotfiles" && stow -D claude) || fail "stow -D"
mkdir -p ~/.claude
(cd "$dotfiles" && stow --no-folding claude) || fail "stow"
[ -L "$store" ] || fail "stow made no link"
before=$(refresh_token)
exits 0 mcp-refreshd refresh lab --force
[ "$(refresh_token "$real")" != "$before" ] || fail "the file behind the link is not refreshed"
[ -L "$store" ] || fail "the link is gone"
exits 1 mcp-refreshd doctor --offline
expect "the link is not noted" says "store-is-link" "$said"

echo "--- an old copy of the store is put back"
cp "$real" "$SCENE/old"
exits 0 mcp-refreshd refresh lab --force
mcp-refreshd run &
within 5 "it does not run" running
used=$(count reuses)
cp "$SCENE/old" "$real"
within 20 "the old copy stays" refreshed "$(refresh_token "$SCENE/old")"
[ "$(count reuses)" = "$used" ] || fail "a spent token was sent"
