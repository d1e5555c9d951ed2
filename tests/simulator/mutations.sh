#!/usr/bin/env bash
# Takes the check of each invariant out of the source, one at a time, in a copy, and expects the simulator to notice: within 100 simulated
# years (10 lives of one year with 10 servers; prints which seed noticed), and within 20,000 transactions with a fault in each (prints how
# many it took).
#   tests/simulator/mutations.sh [--transactions | --years | --apply] [i1 i2 …]
# With --apply it only sees whether the patches still apply.
set -euo pipefail
cd "$(dirname "$0")/../.."

modes="years transactions"
case "${1:-}" in
--transactions | --years | --apply)
    modes=${1#--}
    shift
    ;;
esac

patches=$PWD/tests/simulator/mutations
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# A build folder of their own: to cargo the copy is the same package, and a mutated library would be taken for a fresh one.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/mutations"
tar c --exclude='./target*' --exclude=./.git --exclude=./fuzz/found . | tar x -m -C "$copy"
cd "$copy"
simulator=$CARGO_TARGET_DIR/simulation/simulator

missed=0
# shellcheck disable=SC2317 # called by its name in `modes`
years() {
    if caught=$("$simulator" --lives 10 --years 1 --first 2>&1); then
        echo "$1: NOT CAUGHT in 100 simulated years"
        missed=1
    else
        echo "$1: $(grep -m 1 FAILURE <<<"$caught" | cut -c 1-160)"
    fi
}

# shellcheck disable=SC2317 # called by its name in `modes`
transactions() {
    if caught=$("$simulator" transactions --count 20000 --first 2>&1); then
        echo "$1: NOT CAUGHT in 20000 transactions with a fault in each"
        missed=1
    else
        failure=$(grep -m 1 FAILURE <<<"$caught")
        number=$(sed -E 's/.*number ([0-9]+).*/\1/' <<<"$failure")
        echo "$1: after $((number + 1)) transactions: $(cut -c 1-160 <<<"$failure")"
    fi
}

# shellcheck disable=SC2317 # called by its name in `modes`
apply() { :; } # the patch was applied

[ $# -gt 0 ] || set -- i1 i2 i3 i4 i5 i6
for name in "$@"; do
    patch --quiet -p0 <"$patches/$name.patch" || { echo "$name: the patch does not apply" >&2 && exit 1; }
    [ "$modes" = apply ] || cargo build --quiet --locked --profile simulation -p simulator
    for mode in $modes; do
        "$mode" "$name"
    done
    patch --quiet -p0 -R <"$patches/$name.patch"
done
exit "$missed"
