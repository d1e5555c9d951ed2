#!/bin/bash
# Where it cannot be installed it says why and what to do, and leaves nothing behind.
. /scene/stage.sh

refuses() { # refuses WORDS COMMAND…
    local words=$1 said
    shift
    said=$("$@" 2>&1) && fail "not refused: $*: $said"
    echo "$said"
    says "$words" "$said" || fail "$*: $said"
    [ -z "$(left_in_home)" ] || fail "left: $(left_in_home)"
}

refuses "XDG_RUNTIME_DIR" env -u XDG_RUNTIME_DIR -u DBUS_SESSION_BUS_ADDRESS mcp-refreshd install
refuses "enable-linger" env XDG_RUNTIME_DIR=/nowhere DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere/bus mcp-refreshd install
refuses "systemctl" env PATH=/nowhere "$(command -v mcp-refreshd)" install
refuses "--allow-root" unshare --map-root-user mcp-refreshd install
refuses "HOME" env HOME=relative mcp-refreshd install

# A configuration that cannot be used.
mkdir -p ~/.config/mcp-refreshd
echo 'keepalive = 1' >~/.config/mcp-refreshd/config.toml
refuses "keep_alive" mcp-refreshd install
rm -r ~/.config/mcp-refreshd

# A home folder that cannot be written.
chmod u-w ~ ~/.config 2>/dev/null
refuses "ermission denied" mcp-refreshd install
chmod u+w ~ ~/.config 2>/dev/null

# A disk that is full in the middle: the unit still fits, what follows does not.
mkdir -p ~/.config /small/systemd
ln -s /small/systemd ~/.config/systemd
head -c 64K /dev/zero >/small/filler
rooms=none
[ ! -e /scene/mcp-refreshd ] || rooms="none one-page" # With a package's unit there is only one file to write.
for room in $rooms; do
    echo "room on the disk: $room"
    refuses "space" mcp-refreshd install
    [ -z "$(find /small -name '*mcp-refreshd*')" ] || fail "left on the full disk: $(find /small)"
    truncate -s -4K /small/filler
done
rm /small/filler
mcp-refreshd install || fail "install on a disk with room"
mcp-refreshd uninstall || fail "uninstall"
[ -z "$(find /small -name '*mcp-refreshd*')" ] || fail "left: $(find /small)"
