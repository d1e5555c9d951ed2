#!/bin/bash
# Boots a real systemd as PID 1, in namespaces of its own and over a throw-away overlay of this machine's root, and has it run a
# script as an ordinary user with a user manager, a session bus and a journal. It takes about a second.
#
# Usage: boot.sh FOLDER SCRIPT
#   FOLDER is bound to /scene inside, and SCRIPT is a path in it. Its output goes to FOLDER/output; its exit code is this one's.
#   PACKAGE=FILE.deb     is installed into the overlay first
#   FORBID_USER_NAMESPACES=1   makes a user manager that may not have any
#   SYSTEM=FOLDER        boots the system in this folder instead, one of another age for example (made by mmdebstrap)
#   LIMIT=SECONDS        for everything (120)
# Needs root, and Debian's systemd-sysv, libpam-systemd, dbus-user-session, iproute2. Nothing outside of FOLDER changes: mounts, processes
# and network (loopback only) go with the namespaces.
set -eu

scene=$(realpath "$1")
script=$2
limit=${LIMIT:-120}
system=${SYSTEM:-/}
user=somebody
uid=4321

work=$(mktemp -d)
mkdir "$work/overlay"

cat >"$work/inside" <<INSIDE
set -eu
mount --make-rprivate /
mount -t tmpfs -o size=2g tmpfs "$work/overlay"
mkdir "$work/overlay/upper" "$work/overlay/work" "$work/overlay/root"
root=$work/overlay/root
mount -t overlay overlay -o "lowerdir=$system,upperdir=$work/overlay/upper,workdir=$work/overlay/work" "\$root"
mount -t proc proc "\$root/proc"
mount -t sysfs sysfs "\$root/sys"
mount --rbind /dev "\$root/dev"
mount -t tmpfs tmpfs "\$root/run"
mount -t tmpfs tmpfs "\$root/tmp"
mount -t cgroup2 cgroup2 "\$root/sys/fs/cgroup"
mkdir "\$root/scene" "\$root/small"
mount --bind "$scene" "\$root/scene"
# For what happens on a full disk.
mount -t tmpfs -o size=64k tmpfs "\$root/small"
chmod 1777 "\$root/small"
echo 0123456789abcdef0123456789abcdef >"\$root/etc/machine-id"
chroot "\$root" useradd --create-home --uid $uid --shell /bin/bash $user
chown -R $uid "\$root/scene"
[ -z "${PACKAGE:-}" ] || chroot "\$root" dpkg --install /scene/package.deb
mkdir -p "\$root/var/lib/systemd/linger"

units=\$root/etc/systemd/system
for unit in systemd-udevd systemd-udev-trigger systemd-networkd systemd-resolved systemd-timesyncd getty@tty1 ssh cron; do
    ln -sf /dev/null "\$units/\$unit.service"
done
if [ "${FORBID_USER_NAMESPACES:-}" = 1 ]; then
    mkdir -p "\$units/user@$uid.service.d"
    printf '[Service]\nRestrictNamespaces=~user\n' >"\$units/user@$uid.service.d/forbid.conf"
fi
cat >"\$units/scene.service" <<UNIT
[Unit]
After=dbus.service systemd-logind.service systemd-journald.service user@$uid.service
Wants=dbus.service systemd-logind.service systemd-journald.service user@$uid.service
[Service]
Type=oneshot
User=$user
Environment=HOME=/home/$user USER=$user XDG_RUNTIME_DIR=/run/user/$uid DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$uid/bus
Environment=PATH=/home/$user/.local/bin:/usr/local/bin:/usr/bin:/bin
WorkingDirectory=/home/$user
ExecStart=/bin/bash -c '/scene/$script >/scene/output 2>&1; echo \\\$? >/scene/code'
UNIT
mkdir "\$root/outside"
cd "\$root"
pivot_root . outside
umount -l /outside
exec env -i container=scene PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=scene.service \
    --log-target=console --log-level=warning --show-status=no
INSIDE

rm -f "$scene/output" "$scene/code"
[ -z "${PACKAGE:-}" ] || cp "$PACKAGE" "$scene/package.deb"
# A control group of its own, as far as this machine lets us make one: two systemds in one would end each other's services.
groups=$(findmnt --noheadings --first-only --output TARGET --types cgroup2 || true)
group=${groups:+$groups/scene-$$}
[ -z "$group" ] || mkdir "$group" 2>/dev/null || group=
leave() {
    # A group is empty only when the last process in it is gone.
    while [ -n "$group" ] && [ -d "$group" ] && [ $((tries = ${tries:-0} + 1)) -le 50 ]; do
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
    rm -rf "$work"
}
trap leave EXIT

bash -c '
    [ -z "$1" ] || echo $$ >"$1/cgroup.procs"
    exec unshare --mount --pid --fork --kill-child --uts --ipc --cgroup --net bash -c "ip link set lo up; . $2/inside"
' boot "$group" "$work" >"$scene/console" 2>&1 &
boot=$!
# So that the shell does not tell of its end.
disown "$boot"
end=$((SECONDS + limit))
while [ ! -e "$scene/code" ] && [ "$SECONDS" -lt "$end" ] && kill -0 "$boot" 2>/dev/null; do
    sleep 0.1
done
# All that was to happen has happened; everything inside ends with its first process, and that one with `unshare`.
kill -KILL "$boot" 2>/dev/null || true
while kill -0 "$boot" 2>/dev/null; do
    sleep 0.05
done
if [ ! -e "$scene/code" ]; then
    echo "no end within $limit s; the console of systemd says:" >&2
    tail -n 20 "$scene/console" >&2
    [ ! -e "$scene/output" ] || tail -n 40 "$scene/output" >&2
    exit 99
fi
exit "$(cat "$scene/code")"
