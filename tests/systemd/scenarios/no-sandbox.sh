#!/bin/bash
# A user manager that forbids user namespaces runs the unit as it is shipped.
# boot: FORBID_USER_NAMESPACES=1
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 350
before=$(refresh_token)
shown=$(mcp-refreshd install 2>&1) || fail "install: $shown"
echo "$shown"
says "does not support a sandbox" "$shown" || fail "install does not say so"
[ ! -e ~/.config/systemd/user/mcp-refreshd.service.d/sandbox.conf ] || fail "a sandbox that cannot be had"
within 10 "the token is not refreshed" refreshed "$before"
systemd-analyze --user --no-pager security mcp-refreshd | tail -n 1
! "${journal[@]}" -p warning | grep . || fail "warnings"
