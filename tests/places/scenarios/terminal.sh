#!/bin/bash
# No service manager: the agent is started by hand, and outlives the terminal it was started in.
# shellcheck source-path=SCRIPTDIR source=../stage.sh
. "$SCENE/stage.sh"

# keeps WHAT: the agent refreshes what comes due.
keeps() {
    log_in 5
    local before
    before=$(refresh_token)
    within 20 "$1: the token is not refreshed" refreshed "$before"
    exits 0 mcp-refreshd status
}
pid() { mcp-refreshd status --json | sed -n 's/.*"pid": \([0-9]*\).*/\1/p'; }
gone() { [ ! -e "/proc/$1" ]; }
end() {
    local agent
    agent=$(pid)
    kill "$agent"
    within 20 "it does not end" gone "$agent"
    rm -f ~/.claude/.credentials.json
}
mkdir -p ~/.claude
until_it_runs="until mcp-refreshd status >/dev/null 2>&1; do sleep 0.1; done"

echo "--- what install says, as a line of ~/.profile; a second one does no harm"
by_hand="setsid -f mcp-refreshd run --log-file ~/mcp-refreshd.log"
exits 1 mcp-refreshd install
expect "install does not say how to start it" says "type: $by_hand" "$said"
script --quiet --command "$by_hand; $until_it_runs" /dev/null
within 5 "it does not run" running
agent=$(pid)
exits 1 mcp-refreshd run
expect "the second agent does not say why it ends" says "already running (process $agent)" "$said"
keeps setsid
[ "$(pid)" = "$agent" ] || fail "another agent answers"
exits 0 mcp-refreshd logs
expect "the log lacks the refresh" says "refreshed" "$said"
end

echo "--- nohup, and the terminal is closed"
script --quiet --command "nohup mcp-refreshd run >/dev/null 2>&1 & $until_it_runs" /dev/null
within 5 "it does not outlive the terminal" running
keeps nohup
end

echo "--- tmux without a log file: a detached session, and one that is killed"
tmux new-session -d -s agent mcp-refreshd run || fail tmux
within 5 "it does not run" running
keeps tmux
agent=$(pid)
# The hangup is a reload to it, and its standard error leads nowhere from now on.
tmux kill-session -t agent
keeps "tmux, killed"
[ "$(pid)" = "$agent" ] || fail "another agent answers"
end
