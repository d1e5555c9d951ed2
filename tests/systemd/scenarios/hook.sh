#!/bin/bash
# A hook runs outside of the agent's sandbox: it writes where the agent cannot, and has its variables and the rights of its user.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 350
mkdir -p ~/.config/mcp-refreshd
cat >~/.config/mcp-refreshd/config.toml <<'TOML'
[notices]
desktop = false
hook = 'printf "%s %s\n" "$MCP_REFRESHD_SERVER" "$MCP_REFRESHD_ACTION" >>"$HOME/told by $USER"; grep NoNewPrivs /proc/self/status >"$HOME/rights"; sleep 60; touch ~/too-long'
TOML
# The server has forgotten the client: a person is needed, and called at once.
client=$(sed 's/.*"clientId":"\([^"]*\)".*/\1/' "$store")
curl -sf "$url/_control" -d "{\"prune_client\":\"$client\"}" >/dev/null
mcp-refreshd install || fail "install"
within 60 "the hook is not run" test -s ~/rights
cat ~/rights "$HOME/told by somebody"
says "lab claude mcp" "$(cat "$HOME/told by somebody")" || fail "the hook lacks its variables"
says "NoNewPrivs:	0" "$(cat ~/rights)" || fail "the hook runs with the agent's rights"
within 20 "a hook that does not end is not ended" bash -c 'journalctl --user -u mcp-refreshd | grep "the hook for lab"'
sleep 1
[ -z "$(systemctl --user list-units --no-legend 'run-*.service')" ] || fail "left: $(systemctl --user list-units 'run-*')"
[ ! -e ~/too-long ] || fail "it ran too long"
