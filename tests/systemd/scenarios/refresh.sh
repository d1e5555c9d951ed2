#!/bin/bash
# Installed, the agent refreshes what is about to expire; status, the journal and the manager say so.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 350
before=$(refresh_token)
shown=$(mcp-refreshd install 2>&1) || fail "install: $shown"
echo "$shown"
says "started" "$shown" || fail "install does not say that it started it"
says "lab" "$shown" || fail "install does not show the status"
within 10 "the token is not refreshed" refreshed "$before"
within 5 "status does not say so" bash -c 'mcp-refreshd status --json | grep -q "\"outcome\": *\"fresh\""'
mcp-refreshd status || fail "status"
within 5 "the journal does not show the lines" bash -c 'journalctl --user -u mcp-refreshd | grep -q lab'
"${journal[@]}"
says "PRIORITY=6" "$(journalctl --user -u mcp-refreshd -o export | grep -a ^PRIORITY)" || fail "no priorities"
within 5 "the manager is not told the status" bash -c 'systemctl --user status mcp-refreshd | grep -q "1 server: 1 fresh"'
systemctl --user reload mcp-refreshd || fail "reload"
within 5 "the reload is not logged" bash -c 'journalctl --user -u mcp-refreshd | grep -q "read again"'
is_active || fail "it does not run after a reload"
mcp-refreshd logs | grep -q lab || fail "logs"
again=$(mcp-refreshd install 2>&1) || fail "install again: $again"
echo "$again"
says "unchanged" "$again" || fail "a second install writes again"
! says "wrote" "$again" || fail "a second install writes again"
