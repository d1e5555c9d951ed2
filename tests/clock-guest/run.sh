#!/usr/bin/env bash
# Runs this folder's scenarios in a virtual machine whose clock can be set and which can be suspended: Debian's kernel under
# qemu's own emulation (no KVM, no root), with an initial file system that holds busybox, the daemon and the scenarios, and nothing else.
#
# PROGRAMS is the folder with mcp-refreshd and clock-guest (default: target/debug), LIMIT the seconds after which it gives up.
# Needs qemu-system-x86_64, busybox, cpio, strip, and apt-get for the kernel, which is kept in the cache folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
programs=${PROGRAMS:-${CARGO_TARGET_DIR:-$here/../../target}/debug}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mcp-refreshd-clock-guest
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

kernel=$cache/vmlinuz
if [ ! -f "$kernel" ]; then
    mkdir -p "$cache" "$work/package"
    package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }') || true
    # The folder is this user's own: as root, apt's helper user could not write into it.
    fetch() { [ -n "$package" ] && apt-get download -qq -o APT::Sandbox::User="$(id -un)" "$package" && dpkg -x ./*.deb .; }
    (cd "$work/package" && fetch) || {
        echo "FAILED: Debian's kernel (linux-image-amd64) could not be fetched; type: sudo apt-get update" >&2
        exit 1
    }
    cp "$work"/package/boot/vmlinuz-* "$kernel.new"
    mv "$kernel.new" "$kernel"
fi

limit=${LIMIT:-300}
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc}
for program in "$(command -v busybox)" "$programs/mcp-refreshd" "$programs/clock-guest"; do
    strip -o "$root/bin/${program##*/}" "$program"
    # Shared libraries go where the program looks for them; a static program has none.
    { ldd "$program" 2>/dev/null || true; } | { grep -o '/[^ ]*' || true; } | while read -r library; do
        mkdir -p "$root${library%/*}"
        cp -L "$library" "$root$library"
    done
done
echo 'root:x:0:0::/:/bin/sh' > "$root/etc/passwd"
cat > "$root/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs dev /dev
busybox mount -t tmpfs tmp /tmp
busybox ip link set lo up
clock-guest
busybox poweroff -f
INIT
chmod 755 "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) > "$work/initrd"

machine() { # machine PART QEMU-OPTION…
    local part=$1
    shift
    timeout -k 5 "$limit" qemu-system-x86_64 -accel tcg -m 256 -nodefaults -no-user-config -display none -serial stdio -no-reboot "$@" \
        -kernel "$kernel" -initrd "$work/initrd" \
        -append "console=ttyS0 quiet loglevel=3 panic=-1 mem_sleep_default=deep clock-guest.machine clock-guest.part=$part" \
        </dev/null 2>&1 | tr -d '\r' > "$work/$part" || true
}

# One machine's clock follows its instructions and leaps while it idles: that makes hours cheap. The other one has everybody's time, and can sleep.
machine jumps -icount shift=0,sleep=off -rtc base=2026-11-23T00:00:00,clock=vm &
machine sleep -rtc clock=host &
wait

cat "$work/jumps" "$work/sleep"
for part in jumps sleep; do
    grep -q '^clock-guest: [1-9][0-9]* passed, 0 failed' "$work/$part" || {
        echo "FAILED: $part did not report that all went well (limit: $limit s)" >&2
        exit 1
    }
done
