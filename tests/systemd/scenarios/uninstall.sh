#!/bin/bash
# uninstall leaves state and configuration, --purge nothing; both are safe to repeat.
. /scene/stage.sh

begin_server '{"lifetime_s":3600}'
log_in 3000
mkdir -p ~/.config/mcp-refreshd
echo 'keep_alive = "5d"' >~/.config/mcp-refreshd/config.toml
cp "$store" ~/before
mcp-refreshd install || fail "install"
mcp-refreshd uninstall || fail "uninstall"
mcp-refreshd uninstall || fail "a second uninstall"
[ -z "$(left_in_home)" ] || fail "left: $(left_in_home)"
[ -d "$state" ] || fail "the state is gone"
[ -e ~/.config/mcp-refreshd/config.toml ] || fail "the configuration is gone"
[ ! -e "$XDG_RUNTIME_DIR/mcp-refreshd" ] || fail "the socket's folder is left"
[ "$(systemctl --user show --property=LoadState --value mcp-refreshd)" = not-found ] || [ -e /scene/package.deb ] || fail "loaded"

if [ ! -e /scene/package.deb ]; then # the package's unit is still there
    told=$(mcp-refreshd stop 2>&1) && fail "stop of nothing"
    says "not running, and not installed as a service" "$told" || fail "stop: $told"
    told=$(mcp-refreshd restart 2>&1) && fail "restart of nothing"
    says "type: mcp-refreshd install" "$told" || fail "restart: $told"
fi

mcp-refreshd install || fail "install after uninstall"
refused=$(mcp-refreshd uninstall --purge </dev/null 2>&1) && fail "purged without asking"
says "--yes" "$refused" || fail "$refused"
is_active || fail "a refused purge ends it"
mcp-refreshd uninstall --purge --yes || fail "purge"
[ -z "$(left_in_home)" ] || fail "left: $(left_in_home)"
[ ! -e "$state" ] || fail "the state is left"
[ ! -e ~/.config/mcp-refreshd ] || fail "the configuration is left"
cmp "$store" ~/before || fail "the store was changed"
mcp-refreshd uninstall --purge --yes || fail "a second purge"
