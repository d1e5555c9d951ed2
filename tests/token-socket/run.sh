#!/bin/bash
# Tests the token socket (docs/headers.md): through a real sshd, mounted into containers, and as another user of the machine.
#
# Usage: run.sh [SCENARIO…]    (names of files in scenarios/, without .sh; all of them by default)
# It runs as the places do and takes their variables. Needs root, what the places need, and Debian's openssh-server and openssh-client.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
for program in ssh ssh-keygen /usr/sbin/sshd; do
    command -v "$program" >/dev/null || { echo "needs $program" >&2; exit 2; }
done
SCENARIOS=$here/scenarios exec "$here/../places/run.sh" "$@"
