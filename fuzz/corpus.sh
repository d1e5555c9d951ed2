#!/usr/bin/env bash
# The inputs that the fuzzer found are one archive per target, `corpus/TARGET.tar.gz`; named inputs are files in `corpus/TARGET`.
#   fuzz/corpus.sh unpack TARGET...    copies both into found/TARGET, where the fuzzer works
#   fuzz/corpus.sh pack TARGET...      minimizes found/TARGET (same coverage) and packs it into the archive
set -euo pipefail
cd "$(dirname "$0")"

unpack() {
    # Keeps what an earlier run found and nobody packed.
    mkdir -p "found/$1"
    [ ! -e "corpus/$1.tar.gz" ] || tar -xzf "corpus/$1.tar.gz" -C "found/$1"
    [ ! -d "corpus/$1" ] || cp "corpus/$1/"* "found/$1"
}

pack() {
    RUSTC_BOOTSTRAP=1 cargo fuzz cmin --sanitizer none "$1" "found/$1"
    # Named inputs are not packed as well.
    local named
    named=$(mktemp)
    [ ! -d "corpus/$1" ] || (cd "corpus/$1" && sha1sum -- *) | cut -d ' ' -f 1 >"$named"
    (cd "found/$1" && sha1sum -- *) | grep -vFf "$named" | sed -E 's/^[0-9a-f]+ +//' >"$named.new" || true
    # Reproducible: the same inputs make the same archive.
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 -cf - -C "found/$1" --files-from "$named.new" |
        gzip -n9 >"corpus/$1.tar.gz"
    rm "$named" "$named.new"
}

case "${1:-}" in
unpack | pack) ;;
*)
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
    ;;
esac
for target in "${@:2}"; do "$1" "$target"; done
