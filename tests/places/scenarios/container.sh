#!/bin/bash
# The store in a container: its file mounted, its folder mounted, a volume, two containers on one volume. No service manager, and root.
# shellcheck source-path=SCRIPTDIR source=../stage.sh
. "$SCENE/stage.sh"

echo "--- the file itself is mounted"
log_in 5
before=$(refresh_token)
mounted file "$store" /root/.claude/.credentials.json
exits 1 in_container file mcp-refreshd doctor --offline
expect "the finding is not named" says "store-is-mount" "$said"
expect "the cure is not named" says "mount its folder" "$said"
exits 1 in_container file mcp-refreshd refresh
expect "the message does not say why" says "mount point" "$said"
[ "$(count token_requests)" = 0 ] || fail "a token was asked for that cannot be saved"
[ "$(refresh_token)" = "$before" ] || fail "the store changed"

echo "--- its folder is mounted, and belongs to the host's user, who is not the container's"
chown -R 1000 ~/.claude
mounted other "$HOME/.claude" /root/.claude
exits 1 in_container other mcp-refreshd refresh --force
expect "the message does not say whose it is" says "belongs to user 1000" "$said"
[ "$(count token_requests)" = 0 ] || fail "a token was asked for that cannot be saved"
chown -R 0 ~/.claude

echo "--- its folder is mounted: install is of no use, run is"
mounted folder "$HOME/.claude" /root/.claude
exits 1 in_container folder mcp-refreshd install --allow-root
[ -z "$(find "$SCENE/root-folder/root" -name '*.service' -o -name '*.conf')" ] || fail "a failed install leaves files"
start_container folder mcp-refreshd run --log-file /root/agent.log
within 20 "the store on the host is not refreshed" refreshed "$before"
[ "$(stat -c %a "$store")" = 600 ] || fail "mode of the store"
exits 0 in_container folder mcp-refreshd status
expect "status" says fresh "$said"
exits 0 in_container folder mcp-refreshd check
end_container TERM || fail "the agent in the container ends with $?"

echo "--- a volume with the store and the agent's state, and the container is replaced"
mkdir "$SCENE/volume"
mount -t tmpfs tmpfs "$SCENE/volume"
log_in 5 "$SCENE/volume/claude/.credentials.json"
volume=$SCENE/volume/claude/.credentials.json
before=$(refresh_token "$volume")
variables=(CLAUDE_CONFIG_DIR=/volume/claude XDG_STATE_HOME=/volume/state)
mounted first "$SCENE/volume" /volume
start_container first mcp-refreshd run --log-file /volume/agent.log
within 20 "the store in the volume is not refreshed" refreshed "$before" "$volume"
# As a container ends whose first process does not pass signals on.
end_container KILL
mounted second "$SCENE/volume" /volume
exits 0 in_container second mcp-refreshd history
expect "the history is gone" says refreshed "$said"

echo "--- two containers with one volume, each with an agent and a state of its own, on a token that has ended"
log_in 0 "$volume"
before=$(refresh_token "$volume")
asked=$(count refreshes)
variables=(CLAUDE_CONFIG_DIR=/volume/claude)
mounted third "$SCENE/volume" /volume
start_container second mcp-refreshd run --log-file /root/agent.log
start_container third mcp-refreshd run --log-file /root/agent.log
within 20 "nobody refreshes it" refreshed "$before" "$volume"
sleep 2 # for a second refresh that must not come
[ "$(count families_revoked)" = 0 ] || fail "two agents used one refresh token"
[ "$(($(count refreshes) - asked))" = 1 ] || fail "$(($(count refreshes) - asked)) refreshes by two agents"
