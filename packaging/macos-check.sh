#!/bin/bash
# Checks of the Keychain store that only a Mac can run, on a scratch Keychain. docs/macos.md lists further checks.
#
#   packaging/macos-check.sh [--program PATH] [--security PATH]
#
# --program   the mcp-refreshd to look with (default: the one on the PATH; without any, that part is left out and said so)
# --security  the tool (default: /usr/bin/security; another one is a stand-in for tests)
#
# The scratch Keychain and a home folder lie in a temporary folder and are removed at the end. The login Keychain and the lists of
# this user are not touched: every call of the tool has HOME set to the scratch folder, which is where the tool keeps its lists
# then, and that this is so is looked at first. All tokens are made up.
#
# Exit code: 0 all as expected, 1 something was not, 2 wrong use, 3 it cannot be tried here without touching what is yours.
# Works with the bash 3.2 that macOS has.
set -uo pipefail

security=/usr/bin/security
program=$(command -v mcp-refreshd || true)
while [ $# -gt 0 ]; do
    case $1 in
        --program | --security)
            [ $# -ge 2 ] || { echo "$1 needs a path" >&2; exit 2; }
            if [ "$1" = --program ]; then program=$2; else security=$2; fi
            shift 2
            ;;
        *)
            sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2
            exit 2
            ;;
    esac
done
[ -x "$security" ] || { echo "$security is not there: is this a Mac?" >&2; exit 3; }

service="Claude Code-credentials"
account=${USER:-$(id -un)}
password="made up for this Keychain"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/macos-check.XXXXXX") || exit 3
# Its real name: the tool resolves links, and /tmp is one.
scratch=$(cd "$scratch" && pwd -P)
keychain=$scratch/check.keychain-db
made=no
failed=0

# The tool, with its search list in the scratch folder.
tool() { HOME=$scratch "$security" "$@"; }
search_list() { "$security" list-keychains -d user; }
default_keychain() { "$security" default-keychain -d user 2>&1; }

clean_up() {
    trap - EXIT INT TERM HUP
    if [ "$made" = yes ]; then
        tool delete-keychain "$keychain" >/dev/null 2>&1
    fi
    rm -rf "$scratch"
    if [ "$(search_list)" != "$before" ]; then
        echo "FAIL    your search list had changed; it is put back" >&2
        failed=1
        local path paths=()
        while IFS= read -r path; do
            path=${path#*\"}
            paths+=("${path%\"*}")
        done <<<"$before"
        "$security" list-keychains -d user -s "${paths[@]}"
    fi
    if [ "$(default_keychain)" != "$default_before" ]; then
        echo "FAIL    your default Keychain is not what it was: $default_before" >&2
        failed=1
    fi
}
# shellcheck disable=SC2317 # by the trap
stopped() {
    clean_up
    echo "stopped; the scratch Keychain is gone" >&2
    exit 1
}

ok() { printf 'ok      %s\n' "$1"; }
note() { printf 'note    %s\n' "$1"; }
expect() { # expect WHAT EXPECTED GOT
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        printf 'FAIL    %s\n        expected: %s\n        got:      %s\n' "$1" "$2" "$3"
        failed=1
    fi
}

hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
filler() { head -c "$1" /dev/zero | tr '\0' x; }
document() { printf '{"mcpOAuth":{"check|00":{"serverName":"check","serverUrl":"https://mcp.example/mcp","accessToken":"%s","refreshToken":"rt_made_up","expiresAt":4102444800000}}}' "$1"; }

read_item() { tool find-generic-password -s "$service" -a "$account" -w "$keychain" 2>/dev/null; }
attributes() { tool find-generic-password -s "$service" -a "$account" "$keychain" 2>/dev/null; }
date_of() { attributes | sed -n "s/.*\"$1\"<timedate>=.*\"\([0-9]\{14\}\)Z.*/\1/p"; }
access_list() { tool dump-keychain -a "$keychain" 2>/dev/null | sed -n '/^access/,$p'; }
line() { printf 'add-generic-password -U -a "%s" -s "%s" -X %s "%s"\n' "$account" "$service" "$(hex "$1")" "$keychain"; }
by_line() { line "$1" | tool -i >/dev/null 2>&1; }
by_argument() { tool add-generic-password -U -a "$account" -s "$service" -X "$(hex "$1")" "$keychain" >/dev/null 2>&1; }
code_of() { "$@" >/dev/null 2>&1; echo $?; }

before=$(search_list)
default_before=$(default_keychain)
trap clean_up EXIT
trap stopped INT TERM HUP

echo "1. a Keychain of its own, and nothing else"
mkdir -p "$scratch/Library/Preferences" "$scratch/Library/Keychains"
elsewhere=$(tool list-keychains -d user)
if [ -z "$before" ] || [ "$elsewhere" = "$before" ]; then
    echo "the tool does not keep its search list below \$HOME here, so a Keychain cannot be tried without changing yours; nothing was done" >&2
    exit 3
fi
if ! tool create-keychain -p "$password" "$keychain"; then
    echo "no Keychain could be made in $scratch" >&2
    exit 3
fi
made=yes
tool list-keychains -d user -s "$keychain"
# Step 3 cuts lines, and with them the name of the Keychain at their end: then this one is meant.
tool default-keychain -d user -s "$keychain"
expect "your search list is as it was" "$before" "$(search_list)"
expect "your default Keychain is as it was" "$default_before" "$(default_keychain)"
expect "the scratch search list has the scratch Keychain alone" "\"$keychain\"" "$(tool list-keychains -d user | sed 's/^ *//')"
tool set-keychain-settings "$keychain"
tool unlock-keychain -p "$password" "$keychain"

echo "2. read, write in place, read back"
expect "an item that is not there ends with 44" 44 "$(code_of read_item)"
by_argument "$(document at_1)"
expect "the document comes back byte for byte" "$(document at_1)" "$(read_item)"
created=$(date_of cdat)
modified=$(date_of mdat)
list=$(access_list)
expect "the modification date is 14 digits and a Z" 14 "${#modified}"
expect "attributes show no token" "" "$(attributes | grep -o 'at_1\|rt_made_up')"
sleep 2
by_line "$(document at_2)"
expect "security -i writes in place" "$(document at_2)" "$(read_item)"
expect "the item is the same one" "$created" "$(date_of cdat)"
expect "its access list is the same" "$list" "$(access_list)"
if [ "$(date_of mdat)" != "$modified" ]; then ok "its modification date moved"; else
    printf 'FAIL    its modification date stayed %s: a change of others would not be seen\n' "$modified"
    failed=1
fi

echo "3. the limit of a line"
# As long as the agent lets a line become: 4095 bytes, the line break among them.
bare=$(line "" | wc -c)
longest=$(filler $(((4095 - bare) / 2)))
by_line "$longest"
expect "a line of 4095 bytes is written whole" "$longest" "$(read_item)"
too_long=$(filler $(((4095 - bare) / 2 + 100)))
by_line "$too_long"
if [ "$(read_item)" = "$too_long" ]; then
    note "a longer line is written whole, too: this macOS has no such limit any more"
else
    ok "a longer line damages the item, as reported: the agent never sends one"
fi

echo "4. large documents, as an argument"
for size in 6000 60000; do
    large=$(filler $size)
    by_argument "$large"
    if [ "$(read_item)" = "$large" ]; then ok "$size bytes come back whole"; else
        printf 'FAIL    %s bytes do not come back whole\n' "$size"
        failed=1
    fi
done

echo "5. other than plain letters"
by_argument '{"name":"jö"}'
case $(read_item) in
    '{"name":"jö"}') note "-w prints such a document as it is" ;;
    "$(hex '{"name":"jö"}')") ok "-w prints such a document in hex digits: the agent reads both" ;;
    *)
        printf 'FAIL    -w prints such a document as: %s\n' "$(read_item)"
        failed=1
        ;;
esac

echo "6. how long it takes"
TIMEFORMAT=%R
ten=$({ time for _ in 1 2 3 4 5 6 7 8 9 10; do read_item >/dev/null; done; } 2>&1)
note "ten reads: $ten s; the agent allows 7 s for a write with its comparison and reading back"

echo "7. a locked Keychain"
by_argument "$(document at_3)"
if [ -n "${SSH_CONNECTION:-}" ]; then
    tool lock-keychain "$keychain"
    expect "its attributes can still be read" 14 "$(date_of mdat | wc -c | awk '{ print $1 - 1 }')"
    expect "reading ends with 36, and nothing is asked" 36 "$(code_of read_item)"
    tool unlock-keychain -p "$password" "$keychain"
    expect "after unlocking everything is there" "$(document at_3)" "$(read_item)"
else
    note "left out: on a desktop it would ask you. Run this once more by 'ssh localhost', where code 36 is expected"
fi

echo "8. the agent's own eyes"
if [ -z "$program" ]; then
    note "left out: no mcp-refreshd on the PATH; name one with --program"
else
    mkdir -p "$scratch/.claude" "$scratch/.config/mcp-refreshd"
    chmod 700 "$scratch/.claude"
    printf 'keychain = "security"\n' >"$scratch/.config/mcp-refreshd/config.toml"
    agent() {
        env -u CLAUDE_CONFIG_DIR -u CLAUDE_SECURESTORAGE_CONFIG_DIR -u XDG_CONFIG_HOME -u XDG_STATE_HOME -u XDG_RUNTIME_DIR \
            HOME="$scratch" USER="$account" "$program" "$@"
    }
    told=$(agent status --json 2>&1)
    expect "status shows the item as the store" 1 "$(printf '%s' "$told" | grep -c "\"store\": *\"keychain:$service (account $account)\"")"
    expect "and the server in it" 1 "$(printf '%s' "$told" | grep -c '"name": *"check"')"
    expect "check finds its token good" 0 "$(code_of agent check check --min-valid 10m)"
    expect "nobody changed the item" "$(document at_3)" "$(read_item)"
fi

clean_up
if [ "$failed" = 0 ]; then echo "all as expected; the scratch Keychain is gone"; fi
exit "$failed"
