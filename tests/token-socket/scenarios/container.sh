#!/bin/bash
# The socket's folder mounted into containers: of the same user, of another one, of a user namespace.
# shellcheck source-path=SCRIPTDIR source=../../places/stage.sh
. "$SCENE/stage.sh"

tokens=$HOME/.local/state/mcp-refreshd/tokens
start() {
    mkdir -p ~/.config/mcp-refreshd
    printf '[token_socket]\nservers = ["lab"]\n%s\n' "${1:-}" >~/.config/mcp-refreshd/config.toml
    mcp-refreshd run --log-file ~/agent.log &
    agent=$!
    within 20 "the agent does not start" running
}
stop() {
    kill "$agent"
    wait "$agent"
}
access_token() { sed 's/.*"accessToken":"\([^"]*\)".*/\1/' "$store"; }
headers() { printf '{"Authorization":"Bearer %s"}' "$(access_token)"; }

echo "--- the same user in the container"
log_in 3600
start
mounted dev "$tokens" /tokens
variables=(MCP_REFRESHD_SOCKET=/tokens/socket)
exits 0 in_container dev mcp-refreshd headers lab
[ "$said" = "$(headers)" ] || fail "these are not the headers"
exits 1 in_container dev mcp-refreshd headers wiki
expect "the message does not name the setting" says "[token_socket]" "$said"
[ ! -e "$SCENE/root-dev/tokens/control.sock" ] || fail "the control socket is in the container"

echo "--- the agent starts again: the folder that is mounted holds the new socket"
stop
exits 1 in_container dev mcp-refreshd headers lab
expect "the message does not say that it is gone" says "there is no socket at /tokens/socket" "$said"
start
exits 0 in_container dev mcp-refreshd headers lab

echo "--- another user in the container is turned away"
chmod 711 "$tokens"
chmod 666 "$tokens/socket"
as_other=(setpriv --reuid=1000 --regid=1000 --clear-groups)
exits 1 in_container dev "${as_other[@]}" mcp-refreshd headers lab
expect "the message does not say so" says "ended without an answer" "$said"
expect "the message does not name the cure" says "secret_file" "$said"

echo "--- with a secret it is answered"
stop
start 'secret_file = "~/secret"'
install -m 600 -o 1000 "$HOME/secret" "$SCENE/root-dev/tmp/secret"
exits 1 in_container dev "${as_other[@]}" mcp-refreshd headers lab
expect "the secret is not required" says "requires a secret" "$said"
variables+=(MCP_REFRESHD_SOCKET_SECRET_FILE=/tmp/secret)
exits 0 in_container dev "${as_other[@]}" mcp-refreshd headers lab
[ "$said" = "$(headers)" ] || fail "these are not the headers"

echo "--- in a user namespace, where the agent's user has no name"
# Not in a container: a process with another root may not make one.
mkdir "$SCENE/tokens"
mount --bind "$tokens" "$SCENE/tokens"
chmod 711 "$SCENE" "$SCENE/bin"
chmod 755 "$SCENE/bin/mcp-refreshd"
install -m 600 -o 1000 "$HOME/secret" "$SCENE/secret"
elsewhere=(env MCP_REFRESHD_SOCKET="$SCENE/tokens/socket" MCP_REFRESHD_SOCKET_SECRET_FILE="$SCENE/secret")
cd /
exits 0 "${elsewhere[@]}" "${as_other[@]}" unshare --user --map-root-user mcp-refreshd headers lab
exits 0 "${elsewhere[@]}" "${as_other[@]}" unshare --user --map-user=1000 mcp-refreshd headers lab
[ "$said" = "$(headers)" ] || fail "these are not the headers"
[ "$(count token_requests)" = 0 ] || fail "a token was asked for"
! grep -q 'at_0\|rt_0' ~/agent.log || fail "a token is in the log"
stop
