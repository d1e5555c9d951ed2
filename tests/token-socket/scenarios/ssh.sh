#!/bin/bash
# Forwarded by `ssh -R` to a host on which another account works: a real sshd.
# shellcheck source-path=SCRIPTDIR source=../../places/stage.sh
. "$SCENE/stage.sh"

# The other host's accounts, and a /run that is not this machine's. Everybody may go through the scene's folder.
mkdir -p "$SCENE/etc" "$SCENE/remote" "$SCENE/other"
chmod 755 "$SCENE" "$SCENE/bin"
chmod 755 "$SCENE/bin/mcp-refreshd"
cp -a /etc/. "$SCENE/etc"
printf 'remote:x:4242:4242::%s/remote:/bin/sh\nother:x:4243:4243::%s/other:/bin/sh\n' "$SCENE" "$SCENE" >>"$SCENE/etc/passwd"
printf 'remote:*:20000::::::\nother:*:20000::::::\n' >>"$SCENE/etc/shadow"
chown 4242:4242 "$SCENE/remote"
chown 4243:4243 "$SCENE/other"
mount --bind "$SCENE/etc" /etc
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd

ssh-keygen -q -t ed25519 -N '' -f "$SCENE/host-key"
ssh-keygen -q -t ed25519 -N '' -f "$SCENE/user-key"
cat >"$SCENE/sshd.conf" <<CONF
ListenAddress 127.0.0.1:2222
HostKey $SCENE/host-key
AuthorizedKeysFile $SCENE/user-key.pub
StrictModes no
UsePAM no
PidFile none
StreamLocalBindUnlink yes
CONF
/usr/sbin/sshd -D -E "$SCENE/home/sshd.log" -f "$SCENE/sshd.conf" &
over_there=$SCENE/remote/tokens.sock
options=(-F none -i "$SCENE/user-key" -p 2222 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
    -o LogLevel=ERROR -o ExitOnForwardFailure=yes)
# shellcheck disable=SC2029 # both are of this machine's path
remote() { ssh "${options[@]}" "$account@127.0.0.1" "PATH=$PATH MCP_REFRESHD_SOCKET=$over_there $*"; }
account=remote
within 10 "sshd does not answer" remote true

forward() {
    # sshd leaves the socket of a connection that ended.
    rm -f "$over_there"
    ssh "${options[@]}" -N -R "$over_there:$HOME/.local/state/mcp-refreshd/tokens/socket" remote@127.0.0.1 &
    forwarding=$!
    within 10 "the socket does not come up over there" test -S "$over_there"
}
start() {
    mkdir -p ~/.config/mcp-refreshd
    printf '[token_socket]\nservers = ["lab"]\n%s\n' "${1:-}" >~/.config/mcp-refreshd/config.toml
    mcp-refreshd run --log-file ~/agent.log &
    agent=$!
    within 20 "the agent does not start" running
}
access_token() { sed 's/.*"accessToken":"\([^"]*\)".*/\1/' "$store"; }

echo "--- nothing is forwarded yet"
exits 1 remote mcp-refreshd headers lab
expect "the message does not say what is missing" says "there is no socket at $over_there" "$said"

echo "--- forwarded: the other host gets the token, and nothing else"
log_in 3600
start
forward
exits 0 remote mcp-refreshd headers lab
[ "$said" = "{\"Authorization\":\"Bearer $(access_token)\"}" ] || fail "these are not the headers"
exits 0 remote mcp-refreshd token lab --url "$url/mcp"
exits 1 remote mcp-refreshd token wiki
expect "the message does not name the setting" says "[token_socket]" "$said"
[ -z "$(find "$SCENE/remote" -type f)" ] || fail "something was written over there"

echo "--- a token about to expire is refreshed by the agent on this machine"
log_in 120
before=$(refresh_token)
exits 0 remote mcp-refreshd headers lab
refreshed "$before" || fail "the agent did not refresh"
[ "$said" = "{\"Authorization\":\"Bearer $(access_token)\"}" ] || fail "the old token was handed out"
[ "$(count token_requests)" = 1 ] || fail "more than one request"

echo "--- another account over there"
account=other
chmod 711 "$SCENE/remote"
exits 1 remote mcp-refreshd headers lab
expect "the message does not say why" says "cannot be used: Permission denied" "$said"
chmod 666 "$over_there"
exits 1 remote mcp-refreshd headers lab
expect "the message does not say whose it is" says "belongs to another user (user id 4242); nothing was sent" "$said"
account=remote

echo "--- the connection ends"
kill "$forwarding"
wait "$forwarding"
exits 1 remote mcp-refreshd headers lab
expect "the message does not say that" says "nothing listens at $over_there" "$said"

echo "--- with a secret"
kill "$agent"
wait "$agent"
start 'secret_file = "~/secret"'
forward
exits 1 remote mcp-refreshd headers lab
expect "the secret is not required" says "requires a secret" "$said"
install -m 600 -o 4242 "$HOME/secret" "$SCENE/remote/secret"
exits 0 remote MCP_REFRESHD_SOCKET_SECRET_FILE=~remote/secret mcp-refreshd headers lab
[ "$said" = "{\"Authorization\":\"Bearer $(access_token)\"}" ] || fail "these are not the headers"
openssl rand -hex 32 >"$SCENE/remote/secret"
exits 1 remote MCP_REFRESHD_SOCKET_SECRET_FILE=~remote/secret mcp-refreshd headers lab
expect "the message does not say that it is wrong" says "the secret is wrong" "$said"

echo "--- the agent ends"
kill "$agent"
wait "$agent"
exits 1 remote mcp-refreshd headers lab
expect "the message does not say so" says "has ended" "$said"
[ "$(count token_requests)" = 1 ] || fail "more than one request"
! grep -q 'at_0\|rt_0' ~/agent.log || fail "a token is in the log"
kill "$forwarding"
