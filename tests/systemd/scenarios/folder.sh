#!/bin/bash
# In the sandbox, too, the store's folder may come after the agent, and go, and come back.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
mcp-refreshd install || fail "install"
for time in first second; do
    log_in 350
    before=$(refresh_token)
    within 20 "the $time folder is not kept" refreshed "$before"
    rm -r ~/.claude
    sleep 1
done
mkdir ~/.claude
chmod a-w ~/.claude
sleep 5
restarts=$(systemctl --user show --property=NRestarts --value mcp-refreshd)
echo "restarts: $restarts"
[ "$restarts" -le 4 ] || fail "it is started again and again"
"${journal[@]}"
# A login in a new folder is nothing that failed.
for word in FAILURE "Failed with result" "cannot be saved"; do
    ! journalctl --user -u mcp-refreshd | grep -F "$word" || fail "the journal says $word"
done
