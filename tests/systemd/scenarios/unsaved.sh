#!/bin/bash
# With a new pair that is not in the store, stop and uninstall refuse, say why, and go on; once it can be saved, they save it first.
# boot: LIMIT=200
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 3000
mcp-refreshd install || fail "install"
before=$(refresh_token)
curl -sf "$url/_control" -d '{"next":[{"before_s":3}]}' >/dev/null
mcp-refreshd refresh --force lab &
refresh=$!
sleep 1
# A lock that lives: its holder, this loop, dates it anew.
mkdir ~/.claude/.storage-write.lock
(while touch ~/.claude/.storage-write.lock; do sleep 1; done) &
holder=$!
within 12 "the answer is not in the journal" grep -q '"answer' "$state/journal"
for command in "stop" "uninstall --purge --yes"; do
    # shellcheck disable=SC2086 # words
    refused=$(mcp-refreshd $command 2>&1) && fail "$command ends it: $refused"
    echo "$refused"
    says "lab is not in the store yet" "$refused" || fail "$command does not say why"
    within 5 "it does not go on after $command" is_active
done
kill "$holder"
wait "$holder" 2>/dev/null
# It dies with the pair in the journal, and a person takes it away before it is back.
systemctl --user kill --signal=KILL mcp-refreshd
mcp-refreshd uninstall --purge --yes || fail "uninstall"
rmdir ~/.claude/.storage-write.lock 2>/dev/null
refreshed "$before" || fail "the pair is lost"
[ ! -e "$state" ] || fail "the state is left"
kill "$refresh" 2>/dev/null
exit 0
