#!/usr/bin/env bash
# Takes the check of each invariant out of the source, one at a time, in a copy, and expects the simulator to notice: within 100 simulated
# years (10 lives of one year with 10 servers; prints which seed noticed), and within 20,000 transactions with a fault in each (prints how
# many it took).
#   tests/simulator/mutations.sh [--transactions | --years] [i1 i2 …]
set -euo pipefail
cd "$(dirname "$0")/../.."

modes="years transactions"
case "${1:-}" in
--transactions | --years)
    modes=${1#--}
    shift
    ;;
esac

patches=$PWD/tests/simulator/mutations
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# A build folder of their own: to cargo the copy is the same package, and a mutated library would be taken for a fresh one.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/mutations"
tar c --exclude=./target --exclude=./.git . | tar x -m -C "$copy"
cd "$copy"
simulator=$CARGO_TARGET_DIR/simulation/simulator

missed=0
years() {
    if caught=$("$simulator" --lives 10 --years 1 --first 2>&1); then
        echo "$1: NOT CAUGHT in 100 simulated years"
        missed=1
    else
        echo "$1: $(printf '%s\n' "$caught" | grep -m 1 FAILURE | cut -c 1-160)"
    fi
}

transactions() {
    if caught=$("$simulator" transactions --count 20000 --first 2>&1); then
        echo "$1: NOT CAUGHT in 20000 transactions with a fault in each"
        missed=1
    else
        failure=$(printf '%s\n' "$caught" | grep -m 1 FAILURE)
        number=$(printf '%s\n' "$failure" | sed -E 's/.*number ([0-9]+).*/\1/')
        echo "$1: after $((number + 1)) transactions: $(printf '%s\n' "$failure" | cut -c 1-160)"
    fi
}

for name in "${@:-i1}" $([ $# -gt 0 ] || echo i2 i3 i4 i5 i6); do
    patch --quiet -p0 <"$patches/$name.patch"
    cargo build --quiet --locked --profile simulation -p simulator
    for mode in $modes; do
        "$mode" "$name"
    done
    patch --quiet -p0 -R <"$patches/$name.patch"
done
exit "$missed"
