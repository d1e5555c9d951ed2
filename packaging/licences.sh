#!/usr/bin/env bash
# Prints the licences of everything that is built into the program: each crate with its licence, then each text once.
#
#   packaging/licences.sh [TRIPLE]
#
# TRIPLE is Rust's name of the system it is built for (default: this one). A crate that
# comes without a text has that of a crate of the same repository under the same licence; one for which there is none ends it: packages must not
# be made without. REGISTRY names another folder in which cargo keeps the sources.
set -euo pipefail
cd "$(dirname "$0")/.."

registry="${REGISTRY:-${CARGO_HOME:-$HOME/.cargo}/registry/src}"
texts="$(mktemp -d)"
trap 'rm -rf "$texts"' EXIT

# The texts that go with a crate. Of alternatives one is enough, and MIT is the one for which the copyright is named.
chosen() { # chosen FOLDER LICENCE
    local all
    all="$(find "$1" -maxdepth 1 -type f | grep -iE '/(licen[cs]e|copying|copyright|notice|unlicense)[^/]*$' | sort)"
    case "$2" in
    *" AND "*) printf '%s\n' "$all" ;;
    *MIT*) grep -iE '/(licen[cs]e[^/]*mit|notice)[^/]*$' <<<"$all" || printf '%s\n' "$all" ;;
    *) printf '%s\n' "$all" ;;
    esac
}

digest() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1; }

# The texts that came with a crate.
of_crate() { # of_crate CRATE LICENCE
    local folder
    folder="$(find "$registry" -maxdepth 2 -type d -name "${1/ v/-}" | head -n 1)"
    [ -z "$folder" ] || chosen "$folder" "$2"
}

# The texts that came with another crate of the same repository, under the same licence.
of_neighbour() { # of_neighbour LICENCE REPOSITORY
    local crate licence from files
    [ -n "$2" ] || return 0
    while IFS='|' read -r crate licence from; do
        [ "$licence|$from" = "$1|$2" ] || continue
        files="$(of_crate "$crate" "$licence")"
        [ -z "$files" ] || { printf '%s\n' "$files" && return; }
    done <<<"$crates"
}

crates="$(cargo tree --locked -p mcp-refreshd -e normal ${1:+--target "$1"} --prefix none --format '{p}|{l}|{r}' |
    sed -e 's/ (\*)$//' -e 's/ (proc-macro)|/|/' | grep -v '^[^|]* (/' | sort -u)"

echo "mcp-refreshd is under the MIT licence or the Apache License, Version 2.0, at your choice. Built into the program are these libraries:"
echo
while IFS='|' read -r crate licence from; do
    files="$(of_crate "$crate" "$licence")"
    [ -n "$files" ] || files="$(of_neighbour "$licence" "$from")"
    if [ -z "$files" ]; then
        echo "$crate ($licence): no text of its licence is below $registry; type: cargo fetch --locked" >&2
        exit 1
    fi
    echo "$crate: $licence${from:+, $from}"
    while read -r file; do
        sum="$(digest <"$file")"
        cp "$file" "$texts/$sum.text"
        echo "$crate" >>"$texts/$sum.crates"
    done <<<"$files"
done <<<"$crates"
for text in "$texts"/*.text; do
    printf '\n%s\n' "-------------------------------------------------------------------------------"
    paste -sd ',' <"${text%.text}.crates" | sed 's/,/, /g' | fold -s -w 100
    echo
    tr -d '\r' <"$text"
done
