#!/bin/bash
# Unit and configuration are links to read-only files that something else keeps, as home-manager does with packaging/nix.
. /scene/stage.sh
[ -e /scene/mcp-refreshd ] || exit 0 # A package brings its unit elsewhere.

kept=$HOME/kept
install -D ~/.local/bin/mcp-refreshd "$kept/bin/mcp-refreshd"
mkdir -p ~/.config/systemd/user/default.target.wants ~/.config/mcp-refreshd
sed "s|/usr/bin|$kept/bin|" /scene/mcp-refreshd.service >"$kept/mcp-refreshd.service" || fail "no unit"
printf 'keep_alive = "5d"\n' >"$kept/config.toml"
chmod 444 "$kept/mcp-refreshd.service" "$kept/config.toml"
ln -s "$kept/mcp-refreshd.service" ~/.config/systemd/user/
ln -s "$kept/mcp-refreshd.service" ~/.config/systemd/user/default.target.wants/
ln -s "$kept/config.toml" ~/.config/mcp-refreshd/

begin_server '{"lifetime_s":3600}'
log_in 5
before=$(refresh_token)
systemctl --user daemon-reload
systemctl --user start default.target mcp-refreshd || fail "start"
within 10 "the token is not refreshed" refreshed "$before"
says fresh "$(mcp-refreshd status)" || fail "status: $(mcp-refreshd status)"
says 'keep_alive = "5d"' "$(mcp-refreshd config)" || fail "the configuration is not in effect: $(mcp-refreshd config)"
mcp-refreshd doctor --offline || fail "doctor finds a trouble"
mcp-refreshd restart || fail "restart"
is_active || fail "it does not run after a restart"
mcp-refreshd logs | grep -q "started" || fail "no log"
[ -L ~/.config/systemd/user/mcp-refreshd.service ] || fail "the unit is no link any more"
