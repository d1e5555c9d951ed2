#!/bin/bash
# Killed, the agent is back within five seconds, and later each time where systemd can; stopped in its tracks, the watchdog has it started again.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 3000
mcp-refreshd install || fail "install"
first=$(pid)
kill -9 "$first"
back() { is_active && [ "$(pid)" != "$1" ] && [ "$(pid)" != 0 ]; }
within 5 "it is not back after kill -9" back "$first"

# A newer systemd waits longer each time.
if [ -e ~/.config/systemd/user/mcp-refreshd.service.d/restart.conf ]; then
    pause() { systemctl --user show --property=RestartUSecNext --value mcp-refreshd; }
    once=$(pause)
    again=$(pid)
    kill -9 "$again"
    within 10 "it is not back after a second kill -9" back "$again"
    [ "$once" != "$(pause)" ] || fail "the pause stays at $once"
fi

mkdir -p ~/.config/systemd/user/mcp-refreshd.service.d
printf '[Service]\nWatchdogSec=2\n' >~/.config/systemd/user/mcp-refreshd.service.d/short.conf
systemctl --user daemon-reload
mcp-refreshd restart || fail "restart"
sleep 5
second=$(pid)
is_active || fail "it is not active"
[ "$(systemctl --user show --property=NRestarts --value mcp-refreshd)" = 0 ] || fail "a healthy one is restarted"
kill -STOP "$second"
within 12 "the watchdog does not restart it" back "$second"
"${journal[@]}" | tail -n 8
# The person's own drop-in stays, and so does its folder.
mcp-refreshd uninstall || fail "uninstall"
[ "$(left_in_home)" = "$HOME/.config/systemd/user/mcp-refreshd.service.d" ] || fail "left: $(left_in_home)"
