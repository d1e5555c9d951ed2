#!/bin/bash
# What the shell has and a service does not inherit goes into the configuration, and the agent goes by it.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 350
mkdir -p ~/.config/mcp-refreshd
printf '# mine\nkeep_alive = "5d"\n' >~/.config/mcp-refreshd/config.toml
config=~/.config/mcp-refreshd/config.toml
# Claude Code's folder lies elsewhere, and its path is one that needs quotes.
export CLAUDE_CONFIG_DIR="$HOME/claude \"work\" 50%"
mv ~/.claude "$CLAUDE_CONFIG_DIR"
store=$CLAUDE_CONFIG_DIR/.credentials.json
before=$(refresh_token)
export NO_PROXY=127.0.0.1 https_proxy=http://me:secret-word@proxy.invalid:3128
shown=$(mcp-refreshd install 2>&1) || fail "install: $shown"
echo "$shown"
says "CLAUDE_CONFIG_DIR = $CLAUDE_CONFIG_DIR" "$shown" || fail "what is kept is not shown"
! says secret-word "$shown" || fail "the password is shown"
cat "$config"
grep -q '^# mine$' "$config" || fail "the comment is gone"
[ "$(stat -c %a "$config")" = 600 ] || fail "others may read the password"
within 10 "the token is not refreshed" refreshed "$before"
! grep -rqs secret-word ~/.config/systemd || fail "the password is in a unit"
! journalctl --user | grep secret-word || fail "the password is in the journal"
! says secret-word "$(mcp-refreshd config)" || fail "config shows the password"

unset CLAUDE_CONFIG_DIR NO_PROXY https_proxy
says lab "$(mcp-refreshd status)" || fail "status does not go by the configuration"
again=$(mcp-refreshd install 2>&1) || fail "install again: $again"
! says "wrote" "$again" || fail "a second install writes: $again"
changed=$(NO_PROXY=127.0.0.1,localhost mcp-refreshd install 2>&1) || fail "install with a change"
says "NO_PROXY = 127.0.0.1,localhost" "$changed" || fail "the change is not told: $changed"
says "restarted" "$changed" || fail "the change has no effect: $changed"
! says "https_proxy" "$changed" || fail "what did not change is told"
refused=$(CLAUDE_CONFIG_DIR=claude mcp-refreshd install 2>&1) && fail "a relative folder is taken: $refused"
says "absolute" "$refused" || fail "$refused"

# A logout of the manager, and a new one: it is all there again.
mcp-refreshd stop && mcp-refreshd start || fail "start"
says fresh "$(mcp-refreshd status)" || fail "status after a start"
