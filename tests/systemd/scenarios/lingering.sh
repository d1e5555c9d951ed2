#!/bin/bash
# A machine that is only reached by SSH: with lingering the agent runs while nobody is logged in.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 5
before=$(refresh_token)
said=$(mcp-refreshd install 2>&1) || fail "install: $said"
says "loginctl enable-linger $USER" "$said" || fail "install does not say how to let it run: $said"
says no-linger "$(mcp-refreshd doctor --offline)" || fail "doctor does not note it"
loginctl enable-linger "$USER" || fail "enable-linger"
! says no-linger "$(mcp-refreshd doctor --offline)" || fail "doctor still notes it"
[ "$(loginctl list-sessions --no-legend | wc -l)" = 0 ] || fail "somebody is logged in"
within 10 "the token is not refreshed" refreshed "$before"
is_active || fail "it does not run"
