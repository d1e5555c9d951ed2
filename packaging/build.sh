#!/usr/bin/env bash
# Builds every package that this machine can build, and reports which it could not build and why.
#
#   packaging/build.sh [--no-build] [FOLDER]
#
# --no-build uses the existing release binaries. FOLDER is where the packages go (default: target/packages).
# SOURCE_URL names where the source archive will be published; without it, it follows from `repository` in Cargo.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

build=yes
if [ "${1:-}" = --no-build ]; then
    build=no
    shift
fi
target="${CARGO_TARGET_DIR:-$PWD/target}"
out="${1:-$target/packages}"
mkdir -p "$out"
out="$(cd "$out" && pwd)"

member() { # member NAME: a line of the workspace's package table
    sed -n "/^\[workspace\.package\]/,/^\[/s/^$1 = \"\(.*\)\"/\1/p" Cargo.toml
}
version="$(member version)"
repository="$(member repository)"
archive="mcp-refreshd-$version.tar.gz"

made=()
not_made=()
there() { command -v "$1" >/dev/null; }

if [ $build = yes ]; then
    cargo build --release --locked -p mcp-refreshd
elif [ ! -x "$target/release/mcp-refreshd" ]; then
    echo "there is no $target/release/mcp-refreshd; leave out --no-build" >&2
    exit 1
fi

# What is built in goes with the texts of its licences. Beside the binary, where the tools look for what is made.
packaging/licences.sh >"$target/release/THIRD-PARTY-LICENCES"

if [ "$(uname -s)" != Linux ]; then
    not_made+=("deb, rpm: they hold a program for Linux, and this is $(uname -s)")
else
    if there cargo-deb; then
        made+=("$(cargo deb --quiet --locked --no-build -p mcp-refreshd --output "$out/")")
    else
        not_made+=("deb: cargo-deb is not here (cargo install --locked cargo-deb)")
    fi
    if there cargo-generate-rpm; then
        rpm="$out/mcp-refreshd-$version-1.$(uname -m).rpm"
        cargo generate-rpm -p crates/mcp-refreshd --target-dir "$target" --output "$rpm"
        made+=("$rpm")
    else
        not_made+=("rpm: cargo-generate-rpm is not here (cargo install --locked cargo-generate-rpm)")
    fi
fi

# Static binaries for every Linux of an architecture, with musl in the place of the system's C library. ring wants a C compiler; what it compiles
# needs no header of the C library, so that the one for glibc does, and it links what rustc brings along.
static_archive() { # static_archive ARCHITECTURE
    local triple="$1-unknown-linux-musl" name="mcp-refreshd-$version-$1-linux" compiler="$1-linux-gnu-gcc" folder variable
    [ "$1" != "$(uname -m)" ] || there "$compiler" || compiler=cc
    if [ $build = yes ]; then
        ! there rustup || rustup --quiet target add "$triple" || true
        if [ ! -d "$(rustc --print target-libdir --target "$triple")" ]; then
            not_made+=("$name.tar.gz: Rust's library for $triple is not here (rustup target add $triple)")
            return
        elif ! there "$compiler"; then
            not_made+=("$name.tar.gz: $compiler is not here (in Debian: gcc-${1/_/-}-linux-gnu)")
            return
        fi
        variable="${triple//-/_}"
        env "CC_$variable=$compiler" "CARGO_TARGET_${variable^^}_LINKER=$compiler" \
            cargo build --release --locked -p mcp-refreshd --target "$triple"
    elif [ ! -x "$target/$triple/release/mcp-refreshd" ]; then
        not_made+=("$name.tar.gz: there is no $target/$triple/release/mcp-refreshd; leave out --no-build")
        return
    fi
    folder="$target/archives/$name"
    rm -rf "$folder"
    mkdir -p "$folder/systemd"
    cp "$target/$triple/release/mcp-refreshd" README.md LICENSE-APACHE LICENSE-MIT packaging/musl-COPYRIGHT "$target/release/THIRD-PARTY-LICENCES" "$folder"
    [ ! -e CHANGELOG.md ] || cp CHANGELOG.md "$folder"
    cp -r packaging/man packaging/completions "$folder"
    cp systemd/mcp-refreshd.service "$folder/systemd"
    # The same commit gives the same bytes.
    tar --create --directory "$target/archives" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s \
        --mtime="@$(git log -1 --format=%ct 2>/dev/null || echo 0)" "$name" | gzip -9n >"$out/$name.tar.gz"
    made+=("$out/$name.tar.gz")
}
if [ "$(uname -s)" = Linux ]; then
    static_archive x86_64
    static_archive aarch64
else
    not_made+=("static archives: they hold a program for Linux, and this is $(uname -s)")
fi

# For Windows, by the mingw-w64 toolchain. What it needs beside the system's own libraries is built in.
windows_name="mcp-refreshd-$version-x86_64-windows"
windows_archive() {
    local triple=x86_64-pc-windows-gnu folder
    if [ $build = yes ]; then
        ! there rustup || rustup --quiet target add "$triple" || true
        if [ ! -d "$(rustc --print target-libdir --target "$triple")" ]; then
            not_made+=("$windows_name.zip: Rust's library for $triple is not here (rustup target add $triple)")
            return
        elif ! there x86_64-w64-mingw32-gcc; then
            not_made+=("$windows_name.zip: x86_64-w64-mingw32-gcc is not here (in Debian: gcc-mingw-w64-x86-64)")
            return
        fi
        cargo build --release --locked -p mcp-refreshd -p mcp-refreshdw --target "$triple"
    elif [ ! -e "$target/$triple/release/mcp-refreshd.exe" ] || [ ! -e "$target/$triple/release/mcp-refreshdw.exe" ]; then
        not_made+=("$windows_name.zip: $target/$triple/release lacks mcp-refreshd.exe or mcp-refreshdw.exe; leave out --no-build")
        return
    fi
    if ! there zip; then
        not_made+=("$windows_name.zip: zip is not here (in Debian: zip)")
        return
    fi
    folder="$target/archives/$windows_name"
    rm -rf "$folder" "$out/$windows_name.zip"
    mkdir -p "$folder/completions" "$folder/docs"
    # The second one starts the first without a window; the task that `install` makes needs it beside.
    cp "$target/$triple"/release/{mcp-refreshd,mcp-refreshdw}.exe README.md LICENSE-APACHE LICENSE-MIT packaging/mingw-w64-COPYRIGHT "$folder"
    [ ! -e CHANGELOG.md ] || cp CHANGELOG.md "$folder"
    packaging/licences.sh "$triple" >"$folder/THIRD-PARTY-LICENCES"
    cp packaging/completions/mcp-refreshd.ps1 "$folder/completions"
    cp docs/*.md docs/*.svg "$folder/docs"
    # The same commit gives the same bytes.
    find "$folder" -exec touch --no-dereference --date="@$(git log -1 --format=%ct 2>/dev/null || echo 315532800)" {} +
    (cd "$target/archives" && find "$windows_name" -type f | LC_ALL=C sort | TZ=UTC zip -q -9 -X "$out/$windows_name.zip" -@)
    made+=("$out/$windows_name.zip")
}
windows_archive

if there git && git rev-parse --verify --quiet HEAD >/dev/null; then
    [ -z "$(git status --porcelain)" ] || echo "note: the source archive holds the last commit, without what was changed since" >&2
    # The same commit gives the same bytes: no time of day in the archive.
    git archive --format=tar --prefix="mcp-refreshd-$version/" HEAD | gzip -9n >"$out/$archive"
    made+=("$out/$archive")
    url="${SOURCE_URL:-${repository:+$repository/releases/download/v$version/$archive}}"
    if [ -n "$url" ]; then
        sum="$(sha256sum "$out/$archive" | cut -d ' ' -f 1)"
        fill() {
            sed -e "s|@VERSION@|$version|g" -e "s|@HOMEPAGE@|${repository:-${url%/*}}|g" -e "s|@SOURCE_URL@|$url|g" -e "s|@URL@|$url|g" -e "s|@NAME@|$windows_name|g" \
                -e "s|@SHA256@|$sum|g" "$1" >"$2"
            made+=("$2")
        }
        fill packaging/homebrew/mcp-refreshd.rb.in "$out/mcp-refreshd.rb"
        fill packaging/aur/PKGBUILD.in "$out/PKGBUILD"
        if [ -e "$out/$windows_name.zip" ]; then
            url="${url%/*}/$windows_name.zip"
            # winget's own tool writes it in capitals.
            sum="$(sha256sum "$out/$windows_name.zip" | cut -d ' ' -f 1 | tr '[:lower:]' '[:upper:]')"
            for part in version installer locale.en-US; do
                suffix=".$part"
                [ $part != version ] || suffix=
                fill "packaging/winget/$part.yaml.in" "$out/mcp-refreshd.mcp-refreshd$suffix.yaml"
            done
            sum="${sum,,}"
            fill packaging/scoop/mcp-refreshd.json.in "$out/mcp-refreshd.json"
        else
            not_made+=("winget and scoop manifests: there is no $windows_name.zip")
        fi
    else
        not_made+=("Homebrew formula, PKGBUILD, winget and scoop manifests: nobody said where the source archive will be (SOURCE_URL, or \`repository\` in Cargo.toml)")
    fi
else
    not_made+=("source archive, Homebrew formula, PKGBUILD, winget and scoop manifests: this is no git checkout")
fi

(cd "$out" && printf '%s\n' "${made[@]##*/}" | sort | xargs sha256sum) >"$out/SHA256SUMS"
echo "made in $out:"
printf '  %s\n' "${made[@]##*/}" SHA256SUMS
if [ ${#not_made[@]} -gt 0 ]; then
    echo "not made:"
    printf '  %s\n' "${not_made[@]}"
fi
