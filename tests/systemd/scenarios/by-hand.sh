#!/bin/bash
# What people do to an installed agent: edit its unit, move its program, install a second copy, mask it, run one by hand.
. /scene/stage.sh
[ -e /scene/mcp-refreshd ] || exit 0 # A package's program does not move.

unit=~/.config/systemd/user/mcp-refreshd.service
program() { systemctl --user show --property=ExecStart mcp-refreshd | sed 's/.*path=\([^;]*\) ;.*/\1/'; }

begin_server '{"lifetime_s":3600}'
log_in 3000

# One that was started by hand is in the way.
mcp-refreshd run 2>/dev/null &
by_hand=$!
within 5 "it does not start by hand" test -S "$XDG_RUNTIME_DIR/mcp-refreshd/control.sock"
refused=$(mcp-refreshd install 2>&1) && fail "installed beside one by hand"
says "kill $by_hand" "$refused" || fail "$refused"
[ -z "$(left_in_home)" ] || fail "left: $(left_in_home)"
kill "$by_hand"
wait "$by_hand"

# A path with everything that systemd reads otherwise.
odd="$HOME/a b %h \$HOME ü"
mkdir "$odd"
cp ~/.local/bin/mcp-refreshd "$odd/"
"$odd/mcp-refreshd" install || fail "install from an odd path"
[ "$(program)" = "$odd/mcp-refreshd" ] || fail "it runs $(program)"
is_active || fail "it does not run from there"
mkdir "$HOME/it's"
cp ~/.local/bin/mcp-refreshd "$HOME/it's/"
refused=$("$HOME/it's/mcp-refreshd" install 2>&1) && fail "installed with a quote in its path"
says "quote" "$refused" || fail "$refused"
rm -r "$HOME/it's"
[ "$(program)" = "$odd/mcp-refreshd" ] || fail "the refused installation left something: $(program)"

# Moved: it runs on, and status and doctor say what will happen.
mv "$odd/mcp-refreshd" "$HOME/moved"
says "mcp-refreshd install" "$(mcp-refreshd status 2>&1 >/dev/null)" || fail "status says nothing: $(mcp-refreshd status 2>&1)"
says "agent-moved" "$(mcp-refreshd doctor --offline)" || fail "doctor does not say so: $(mcp-refreshd doctor --offline)"

# A second copy takes over.
second=$(mcp-refreshd install) || fail "install from another path"
says "restarted" "$second" || fail "the new copy is not started: $second"
[ "$(program)" = "$HOME/.local/bin/mcp-refreshd" ] || fail "it runs $(program)"
! mcp-refreshd doctor --offline | grep -E "^(problem|note): (agent|service)-" || fail "doctor"

# Edited: kept, and the difference is shown.
sed -i 's/^RestartSec=.*/RestartSec=4/' "$unit"
shown=$(mcp-refreshd install) || fail "install over an edited unit"
echo "$shown"
says "-RestartSec=4" "$shown" || fail "the difference is not shown"
grep -q RestartSec=4 "$unit" || fail "the edit is gone"
says "service-edited" "$(mcp-refreshd doctor --offline)" || fail "doctor does not say so"
mcp-refreshd uninstall || fail "uninstall"
[ "$(left_in_home)" = "${unit%.service}.edited" ] || fail "left: $(left_in_home)"
grep -q RestartSec=4 "${unit%.service}.edited" || fail "the edit is lost"
rm "${unit%.service}.edited"

# Masked: said, and nothing is left.
systemctl --user mask mcp-refreshd
refused=$(mcp-refreshd install 2>&1) && fail "installed over a mask"
says "unmask" "$refused" || fail "$refused"
systemctl --user unmask mcp-refreshd
[ -z "$(left_in_home)" ] || fail "left: $(left_in_home)"
