#!/usr/bin/env bash
# Runs a test program for Windows under Wine, in a namespace with nothing but the loopback interface. Cargo calls it:
#
#   CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=$PWD/tests/windows/runner.sh cargo test --target x86_64-pc-windows-gnu -p CRATE
#
# Needs what run.sh needs, but for npm and openssl.
set -euo pipefail
program=$1
shift
# shellcheck source=tests/windows/prepare.sh
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

# Beside the program itself, and beside the one that tests start: cargo puts that one a folder higher.
for folder in "$(dirname "$program")" "$(dirname "$program")/.."; do
    [ -e "$folder/bcryptprimitives.dll" ] || stand_in "$folder/bcryptprimitives.dll"
done
# Wine starts in the folder where cargo starts the program; a test finds its files by paths that were written into it when it was built.
# shellcheck disable=SC2016 # the words are for the inner shell
in_namespace sh -c 'exec "$WINE" "$@"' sh "$program" "$@"
