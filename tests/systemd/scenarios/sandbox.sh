#!/bin/bash
# With the sandbox: little exposure, a silent verify, and everything that the agent does still works, through links too.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 350
# The store is a link into a folder of dotfiles, with spaces and what systemd expands.
dotfiles="$HOME/dot files 100% ü"
mkdir "$dotfiles"
mv "$store" "$dotfiles/credentials.json"
ln -s "$dotfiles/credentials.json" "$store"
before=$(refresh_token)
echo '{"lab":{"timestamp":'"$(date +%s)"'000}}' >~/.claude/mcp-needs-auth-cache.json
mcp-refreshd install || fail "install"
[ -e ~/.config/systemd/user/mcp-refreshd.service.d/sandbox.conf ] || fail "no sandbox"
within 10 "the token is not refreshed" refreshed "$before"
[ -L "$store" ] || fail "the link is gone"
within 5 "the needs-auth entry stays" bash -c '! grep -q lab ~/.claude/mcp-needs-auth-cache.json'
[ -z "$(ls -A ~/.claude | grep -e lock -e tmp)" ] || fail "left in the store's folder: $(ls -A ~/.claude)"

# A change by somebody else is seen, though nothing of it is the agent's own doing.
log_in 350
before=$(refresh_token)
within 10 "a new login is not seen" refreshed "$before"
ls -l "$dotfiles" ~/.claude

said=$(systemd-analyze --user verify ~/.config/systemd/user/mcp-refreshd.service 2>&1) || fail "verify: $said"
[ -z "$said" ] || fail "verify says: $said"
exposure=$(systemd-analyze --user --no-pager security mcp-refreshd | tee ~/security | sed -n 's/.*exposure level for.*: \([0-9.]*\) .*/\1/p')
grep -v '✓' ~/security
echo "exposure: $exposure"
awk -v is="$exposure" 'BEGIN { exit !(is != "" && is <= 2.0) }' || fail "the exposure is $exposure"

# Nothing else of the home folder can be written from inside, which a command beside the agent finds out.
cat >~/.config/systemd/user/mcp-refreshd.service.d/tried.conf <<'UNIT'
[Service]
ExecStartPost=-/bin/sh -c 'touch "$HOME/.claude/allowed" "$HOME/forbidden" "$HOME/.config/forbidden" /tmp/forbidden'
UNIT
systemctl --user daemon-reload
mcp-refreshd restart || fail "restart"
[ -e ~/.claude/allowed ] || fail "the store's folder cannot be written"
[ ! -e ~/forbidden ] && [ ! -e ~/.config/forbidden ] && [ ! -e /tmp/forbidden ] || fail "the sandbox leaks"
! "${journal[@]}" -p warning | grep . || fail "warnings"
