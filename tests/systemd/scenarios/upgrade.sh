#!/bin/bash
# A new binary in the old one's place, and a restart during a slow refresh: the old agent brings it to its end, then the new one runs.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 3000
mcp-refreshd install || fail "install"
program=$(command -v mcp-refreshd)
if [ -w "$program" ]; then
    # As package managers and cargo do it: the running one keeps the file it was started from.
    cp "$program" "$program.new" && mv "$program.new" "$program" || fail "the new binary"
fi
before=$(refresh_token)
old=$(pid)
curl -sf "$url/_control" -d '{"next":[{"before_s":4}]}' >/dev/null
mcp-refreshd refresh --force lab &
sleep 1
[ "$(refresh_token)" = "$before" ] || fail "the refresh is not slow"
mcp-refreshd restart || fail "restart"
refreshed "$before" || fail "the new agent was started and the pair of the old one is not in the store"
[ "$(pid)" != "$old" ] || fail "the old agent still runs"
is_active || fail "the new agent does not run"
mcp-refreshd status >"$HOME/told" || fail "status"
grep -q '^lab  *fresh' "$HOME/told" || fail "lab is not fresh: $(cat "$HOME/told")"
! journalctl --user -u mcp-refreshd | grep -q 'may be spent' || fail "the refresh was cut off"
