#!/usr/bin/env bash
# Takes the check of each invariant out of the source, one at a time, in a copy, and expects the simulator to notice within 100
# simulated years (10 lives of one year with 10 servers). Prints which seed noticed.
#   tests/simulator/mutations.sh [i1 i2 …]
set -euo pipefail
cd "$(dirname "$0")/../.."

patches=$PWD/tests/simulator/mutations
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# A build folder of their own: to cargo the copy is the same package, and a mutated library would be taken for a fresh one.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/mutations"
tar c --exclude=./target --exclude=./.git . | tar x -m -C "$copy"
cd "$copy"

missed=0
for name in "${@:-i1}" $([ $# -gt 0 ] || echo i2 i3 i4 i5 i6); do
    patch --quiet -p0 <"$patches/$name.patch"
    cargo build --quiet --locked --profile simulation -p simulator
    if caught=$("$CARGO_TARGET_DIR/simulation/simulator" --lives 10 --years 1 --first 2>&1); then
        echo "$name: NOT CAUGHT in 100 simulated years"
        missed=1
    else
        echo "$name: $(printf '%s\n' "$caught" | grep -m 1 FAILURE | cut -c 1-160)"
    fi
    patch --quiet -p0 -R <"$patches/$name.patch"
done
exit "$missed"
