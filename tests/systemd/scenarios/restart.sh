#!/bin/bash
# `restart` and `start` check before they stop anything, and show the agent's own error.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 3000
config=~/.config/mcp-refreshd/config.toml
mkdir -p ~/.config/mcp-refreshd
mcp-refreshd install || fail "install"
before=$(pid)

for text in 'keepalive = "1d"' $'[network]\nextra_ca = ["/nowhere/ca.pem"]'; do
    echo "$text" >"$config"
    for command in "restart" "restart --dry-run"; do
        # shellcheck disable=SC2086 # words
        refused=$(mcp-refreshd $command 2>&1) && fail "$command with a configuration that is wrong: $refused"
        echo "$refused"
        says "not restarted: the agent keeps running as it is" "$refused" || fail "$refused"
        [ "$(pid)" = "$before" ] || fail "$command stopped the agent"
    done
done
says "keepalive" "$(echo 'keepalive = 1' >"$config"; mcp-refreshd reload 2>&1)" || fail "reload does not say why"
[ "$(pid)" = "$before" ] || fail "reload stopped the agent"

rm "$config"
says "would restart the agent" "$(mcp-refreshd restart --dry-run)" || fail "restart --dry-run"
[ "$(pid)" = "$before" ] || fail "the dry run stopped the agent"
mcp-refreshd restart || fail "restart"
[ "$(pid)" != "$before" ] || fail "it was not restarted"
says "reloaded: no changes" "$(mcp-refreshd reload)" || fail "reload"

# What only the agent itself finds out: its own words, and no advice to read a log.
mcp-refreshd stop || fail "stop"
rm -r "$state/lock"
mkdir "$state/lock"
refused=$(mcp-refreshd start 2>&1) && fail "started: $refused"
echo "$refused"
says "the agent did not start; its log says:" "$refused" || fail "$refused"
says "the lock file $state/lock cannot be used" "$refused" || fail "the agent's own error is missing: $refused"
! says "See \"systemctl" "$refused" || fail "systemd's advice is shown: $refused"
mcp-refreshd stop
rmdir "$state/lock"
mcp-refreshd start || fail "start"
