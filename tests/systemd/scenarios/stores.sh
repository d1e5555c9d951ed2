#!/bin/bash
# A second installation from a shell with another CLAUDE_CONFIG_DIR never drops a store silently.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 3000
mcp-refreshd install || fail "install"
mkdir ~/work
cp "$store" ~/work/.credentials.json
echo '{}' >~/work/.claude.json
config=~/.config/mcp-refreshd/config.toml

refused=$(CLAUDE_CONFIG_DIR=~/work mcp-refreshd install 2>&1) && fail "a store was dropped: $refused"
echo "$refused"
for part in "the agent watches the logins in $HOME/.claude;" "--add-store" "--replace-store" "env -u CLAUDE_CONFIG_DIR"; do
    says "$part" "$refused" || fail "no \"$part\": $refused"
done
[ ! -e "$config" ] || fail "the configuration was written: $(cat "$config")"
says "$HOME/.claude/" "$(mcp-refreshd status --json)" || fail "the store is no longer kept"

dry=$(CLAUDE_CONFIG_DIR=~/work mcp-refreshd install --add-store --dry-run 2>&1) || fail "dry run: $dry"
echo "$dry"
for part in "would change $HOME/.config/systemd/user/mcp-refreshd.service.d/sandbox.conf" "+ReadWritePaths=\"-$HOME/work\"" \
    "would write $config" "~/.claude, ~/work" "would restart the agent" "dry run: nothing was changed"; do
    says "$part" "$dry" || fail "no \"$part\": $dry"
done
[ ! -e "$config" ] || fail "the dry run wrote the configuration"
! grep -q work ~/.config/systemd/user/mcp-refreshd.service.d/sandbox.conf || fail "the dry run changed the sandbox"

both=$(CLAUDE_CONFIG_DIR=~/work mcp-refreshd install --add-store 2>&1) || fail "both: $both"
echo "$both"
says "+ReadWritePaths=\"-$HOME/work\"" "$both" || fail "the change is not shown: $both"
grep -qxF 'stores = ["~/.claude", "~/work"]' "$config" || fail "$(cat "$config")"
kept=$(mcp-refreshd status --json)
says "$HOME/.claude/" "$kept" && says "$HOME/work/" "$kept" || fail "not both are kept: $kept"
# From any shell it is the same installation now.
for folder in ~/work ~/.claude; do
    again=$(CLAUDE_CONFIG_DIR=$folder mcp-refreshd install 2>&1) || fail "again from $folder: $again"
    kept=$(mcp-refreshd status --json)
    says "$HOME/.claude/" "$kept" && says "$HOME/work/" "$kept" || fail "not both are kept after $folder: $kept"
done

removal=$(mcp-refreshd uninstall --dry-run --purge) || fail "uninstall --dry-run"
echo "$removal"
for part in "would stop the agent" "would remove $HOME/.config/systemd/user/mcp-refreshd.service" "would remove $config"; do
    says "$part" "$removal" || fail "no \"$part\": $removal"
done
is_active || fail "the dry run stopped the agent"
mcp-refreshd uninstall --purge --yes || fail "uninstall"

# The new one alone, where the user says so.
mcp-refreshd install || fail "install"
CLAUDE_CONFIG_DIR=~/work mcp-refreshd install --replace-store || fail "--replace-store"
kept=$(mcp-refreshd status --json)
says "$HOME/work/" "$kept" && ! says "$HOME/.claude/" "$kept" || fail "not the new one alone: $kept"
