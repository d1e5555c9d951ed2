#!/usr/bin/env bash
# Builds, installs, upgrades and removes the packages in scratch roots, and compares the files before and after.
# The packages stay in target/packages. Installs what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null && return
    [ -n "${updated:-}" ] || { as_root apt-get update -qq; updated=1; }
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null
}
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

need dpkg-shlibdeps dpkg-dev
need lintian lintian
need rpm rpm
need ruby ruby
need plistutil libplist-utils
need shellcheck shellcheck
need file file
need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
need qemu-aarch64 qemu-user
need zsh zsh
need fish fish
need zip zip
need unzip unzip
need x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64
[ -x /usr/lib/wine/wine64 ] || need wine64 wine64

target="${CARGO_TARGET_DIR:-$PWD/target}"
# The tools run for seconds and their build takes minutes: not optimised, and kept.
tools="$target/packaging-tools"
export PATH="$tools/bin:$PATH"
for tool in cargo-deb cargo-generate-rpm; do
    command -v "$tool" >/dev/null || CARGO_TARGET_DIR="$tools/build" CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo install --quiet --locked --root "$tools" "$tool"
done

scratch="$(mktemp -d)"
trap 'as_root rm -rf "$scratch"' EXIT
version="$(sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)"

echo "--- what is shipped as it is: scripts, the agent of launchd, the list of changes"
shellcheck packaging/*.sh crates/user-agent-service/tests/launchctl.sh
plistutil -f bin -i launchd/dev.mcp-refreshd.plist -o "$scratch/agent.bin"
plistutil -f xml -i "$scratch/agent.bin" -o "$scratch/agent.plist"
diff -w launchd/dev.mcp-refreshd.plist "$scratch/agent.plist" || fail "another reader of property lists sees something else in launchd/dev.mcp-refreshd.plist"
[ "$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)" = "$version-1" ] ||
    fail "the newest entry of packaging/debian/changelog is not for $version-1, the version in Cargo.toml"

echo "--- packaging/build.sh"
SOURCE_URL="https://mcp-refreshd.invalid/mcp-refreshd-$version.tar.gz" packaging/build.sh
made=$target/packages
deb=$(echo "$made"/mcp-refreshd_"$version"-1_*.deb)
rpm=$(echo "$made"/mcp-refreshd-"$version"-1.*.rpm)
(cd "$made" && sha256sum --quiet --check SHA256SUMS)
licences=$target/release/THIRD-PARTY-LICENCES
for text in "ring v" "Permission is hereby granted" "Apache License" "UNICODE LICENSE V3" "Brian Smith"; do
    grep -q "$text" "$licences" || fail "nothing of \"$text\" in $licences"
done
# A crate whose text is not there is named.
said="$(REGISTRY=$scratch packaging/licences.sh 2>&1 >/dev/null)" && fail "licences.sh is content without texts"
grep -q "no text of its licence" <<<"$said" || fail "licences.sh did not say what is missing: $said"
[ "$(wc -l <"$made/SHA256SUMS")" = 12 ] || fail "SHA256SUMS does not name twelve files"

# What every package has to bring, below usr/. The folder of completions for zsh differs, and each system has its way with licences.
expected() { # expected ZSH_FOLDER
    echo bin/mcp-refreshd
    echo lib/systemd/user/mcp-refreshd.service
    echo lib/systemd/user-preset/50-mcp-refreshd.preset
    echo share/bash-completion/completions/mcp-refreshd
    echo "share/zsh/$1/_mcp-refreshd"
    echo share/fish/vendor_completions.d/mcp-refreshd.fish
    (cd packaging/man && printf 'share/man/man1/%s\n' *.1)
    echo THIRD-PARTY-LICENCES
    printf 'share/doc/mcp-refreshd/%s\n' README.md CHANGELOG.md
    (cd docs && printf 'share/doc/mcp-refreshd/docs/%s\n' *.md *.json *.svg internals/*)
}
# What is below a root's usr/, compressed pages by their own names; without what is special to one system.
found() { # found ROOT
    (cd "$1/usr" && find . -type f | sed -e 's|^\./||' -e '/\/man1\//s|\.gz$||' -e 's|^share/.*/mcp-refreshd/THIRD-PARTY|THIRD-PARTY|' |
        grep -v -e '^share/lintian/' -e '^share/licenses/mcp-refreshd/LICENSE-' -e '^share/doc/mcp-refreshd/\(copyright\|changelog.*\)$')
}
same() { # same WHAT EXPECTED FOUND
    diff <(sort <<<"$2") <(sort <<<"$3") || fail "$1: left is what should be there, right is what is"
}
works() { # works ROOT
    [ "$("$1/usr/bin/mcp-refreshd" --version)" = "mcp-refreshd $version" ] || fail "the program in $1 does not run"
    cmp "$1/usr/lib/systemd/user/mcp-refreshd.service" systemd/mcp-refreshd.service
    grep -q '^ExecStart=.*/usr/bin/mcp-refreshd' "$1/usr/lib/systemd/user/mcp-refreshd.service" || fail "the unit names another program"
    [ -z "$(find "$1/etc" -path '*.wants/*' 2>/dev/null)" ] || fail "a package enabled the agent"
}
# Nothing of ours, nor any file but the package manager's own.
empty() { # empty ROOT
    same "after removal in $1" "" "$(cd "$1" && find . -type f ! -path './var/lib/dpkg/*' ! -path './var/lib/rpm/*' ! -path './root/.rpmdb/*' ! -path './var/log/*' | sort)"
    same "folders after removal in $1" "" "$(find "$1" -name '*mcp-refreshd*' ! -path '*/var/lib/dpkg/*')"
}

echo "--- completion of servers' names in bash, zsh and fish"
packaging/completions-test.sh "$target/release/mcp-refreshd"

echo "--- static archives: no library of the system is needed, and a refresh works"
for architecture in x86_64 aarch64; do
    name=mcp-refreshd-$version-$architecture-linux
    tar -xzf "$made/$name.tar.gz" -C "$scratch"
    program=$scratch/$name/mcp-refreshd
    file "$program" | grep -q 'static-pie linked\|statically linked' || fail "$(file "$program")"
    ! readelf --dynamic "$program" 2>/dev/null | grep NEEDED || fail "$program needs a library"
    for part in README.md LICENSE-MIT LICENSE-APACHE THIRD-PARTY-LICENCES musl-COPYRIGHT systemd/mcp-refreshd.service completions/_mcp-refreshd man/mcp-refreshd.1; do
        [ -s "$scratch/$name/$part" ] || fail "no $part in $name.tar.gz"
    done
    [ $architecture = "$(uname -m)" ] || {
        # The tests start their program without an environment, by its path.
        printf '#!/bin/sh\nexec %s %s "$@"\n' "$(command -v "qemu-$architecture")" "$program" >"$scratch/$architecture"
        chmod +x "$scratch/$architecture"
        program=$scratch/$architecture
    }
    [ "$("$program" --version)" = "mcp-refreshd $version" ] || fail "$architecture: --version"
    MCP_REFRESHD=$program cargo test --quiet -p mcp-refreshd --test program -- history::the_picture_is_written_to_a_file history::everything_that_happens
done

echo "--- deb: lintian"
lintian --fail-on error,warning "$deb"

echo "--- deb: install, upgrade, remove, purge"
root="$scratch/debian"
mkdir -p "$root"/var/lib/dpkg/{info,updates} "$root/etc"
touch "$root"/var/lib/dpkg/{status,available}
# The scratch root knows no other package, so nothing there can satisfy a dependency.
debs() { as_root dpkg --root="$root" --force-depends --log=/dev/null "$@" >"$scratch/dpkg.log" 2>&1 || fail "$(cat "$scratch/dpkg.log")"; }
state() { dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat='${db:Status-Status} ${Version}' mcp-refreshd 2>/dev/null || true; }
# An older version, with a file that this one no longer has.
dpkg-deb --raw-extract "$deb" "$scratch/older"
sed -i "s/^Version: .*/Version: 0.0.1-1/" "$scratch/older/DEBIAN/control"
echo gone >"$scratch/older/usr/share/doc/mcp-refreshd/docs/gone.md"
dpkg-deb --root-owner-group --build "$scratch/older" "$scratch/older.deb" >/dev/null
debs --install "$scratch/older.deb"
[ "$(state)" = "installed 0.0.1-1" ] || fail "the older deb is: $(state)"
[ -e "$root/usr/share/doc/mcp-refreshd/docs/gone.md" ] || fail "the older deb lacks its file"
debs --install "$deb"
[ "$(state)" = "installed $version-1" ] || fail "the deb is: $(state)"
same "deb" "$(expected vendor-completions)" "$(found "$root")"
works "$root"
debs --remove mcp-refreshd
same "files after removal" "" "$(cd "$root" && find . -path './usr/*' -type f)"
debs --purge mcp-refreshd
[ -z "$(state)" ] || fail "after purge the deb is: $(state)"
empty "$root"

echo "--- rpm: install, upgrade, remove"
root="$scratch/fedora"
mkdir -p "$root"
rpms() { as_root rpm --root "$root" --nodeps --force-debian "$@"; }
cargo generate-rpm -p crates/mcp-refreshd --target-dir "$target" --set-metadata 'version = "0.0.1"' --output "$scratch/older.rpm"
as_root rpm --root "$root" --initdb
rpms --install "$scratch/older.rpm"
[ "$(as_root rpm --root "$root" --query mcp-refreshd)" = "mcp-refreshd-0.0.1-1.$(uname -m)" ] || fail "the older rpm is not installed"
rpms --upgrade "$rpm"
[ "$(as_root rpm --root "$root" --query mcp-refreshd)" = "mcp-refreshd-$version-1.$(uname -m)" ] || fail "the rpm is not installed"
same "rpm" "$(expected site-functions)" "$(found "$root")"
works "$root"
as_root rpm --root "$root" --verify --nodeps mcp-refreshd || fail "the installed files are not those of the rpm"
rpms --erase mcp-refreshd
empty "$root"

echo "--- PKGBUILD: package()"
mkdir -p "$scratch/arch"
tar -xf "$made/mcp-refreshd-$version.tar.gz" -C "$scratch/arch"
install -Dm755 "$target/release/mcp-refreshd" "$licences" -t "$scratch/arch/mcp-refreshd-$version/target/release"
(
    # What it assigns is its own business.
    # shellcheck disable=SC1091,SC2154
    . "$made/PKGBUILD"
    # shellcheck disable=SC2154
    [ "$pkgver" = "$version" ] && [ "${sha256sums[0]}" = "$(sha256sum <"$made/mcp-refreshd-$version.tar.gz" | cut -d ' ' -f 1)" ]
    cd "$scratch/arch"
    pkgdir="$scratch/arch/root" package
) || fail "the PKGBUILD"
same "PKGBUILD" "$(expected site-functions)" "$(found "$scratch/arch/root")"
works "$scratch/arch/root"

echo "--- Homebrew formula: syntax, and nothing left to fill in"
ruby -c "$made/mcp-refreshd.rb" >/dev/null
! grep -n '@[A-Z0-9_]*@' "$made/mcp-refreshd.rb" "$made/PKGBUILD" || fail "a placeholder is left"

echo "--- Windows: the zip unpacks, its program starts under Wine, and the manifests are whole"
name=mcp-refreshd-$version-x86_64-windows
unzip -q "$made/$name.zip" -d "$scratch"
for part in mcp-refreshdw.exe README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE THIRD-PARTY-LICENCES mingw-w64-COPYRIGHT completions/mcp-refreshd.ps1 docs/windows.md; do
    [ -s "$scratch/$name/$part" ] || fail "no $part in $name.zip"
done
grep -q '^windows-sys ' "$scratch/$name/THIRD-PARTY-LICENCES" || fail "the licences in $name.zip are not those for Windows"
# The system's own libraries, and none of a compiler.
for program in mcp-refreshd mcp-refreshdw; do x86_64-w64-mingw32-objdump -p "$scratch/$name/$program.exe"; done | sed -n 's/.*DLL Name: //p' | sort -u >"$scratch/libraries"
! grep -iE '^lib|pthread' "$scratch/libraries" || fail "the program for Windows needs a library that Windows lacks"
[ "$(tests/windows/runner.sh "$scratch/$name/mcp-refreshd.exe" --version | tr -d '\r')" = "mcp-refreshd $version" ] || fail "the program in $name.zip does not start"
packaging/manifests-test.rb "$made" "$version" "$made/$name.zip" "$scratch/$name"

echo "--- without the tools, build.sh says what it could not make"
mkdir "$scratch/cargo-alone"
ln -s "$(command -v cargo)" "$scratch/cargo-alone/cargo"
said="$(PATH="$scratch/cargo-alone:/usr/bin:/bin" packaging/build.sh --no-build "$scratch/less")"
for missing in "deb: cargo-deb is not here" "rpm: cargo-generate-rpm is not here" "Homebrew formula, PKGBUILD, winget and scoop manifests: nobody said"; do
    grep -q "$missing" <<<"$said" || fail "build.sh did not say: $missing"
done
echo "packages: all is well"
