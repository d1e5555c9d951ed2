#!/bin/bash
# A stop during a slow refresh waits for the answer, and the new pair is in the store.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 3000
mcp-refreshd install || fail "install"
for how in "systemctl --user stop mcp-refreshd" "mcp-refreshd stop"; do
    before=$(refresh_token)
    curl -sf "$url/_control" -d '{"next":[{"before_s":4}]}' >/dev/null
    mcp-refreshd refresh --force lab &
    asked() { [ "$(curl -sf "$url/_counts" | grep -o '"token_requests":[0-9]*')" != "$1" ]; }
    sleep 1
    [ "$(refresh_token)" = "$before" ] || fail "the refresh is not slow"
    $how || fail "$how"
    refreshed "$before" || fail "after '$how' the new pair is not in the store"
    ! is_active || fail "it is active after '$how'"
    wait %2 2>/dev/null
    mcp-refreshd stop || fail "a second stop"
    mcp-refreshd start || fail "start"
    mcp-refreshd start || fail "a second start"
done
