# What the places share. Sourced by each.
# shellcheck shell=bash
set -u

ip link set lo up
cd "$HOME" || exit 1
store=$HOME/.claude/.credentials.json

fail() {
    echo "FAILED: $*"
    # Not below what is mounted in a container.
    find "$HOME" "$SCENE" "$SCENE"/root-*/root -name 'root-*' -prune -o -name '*.log' -exec tail -n 20 {} + 2>/dev/null
    exit 1
}

# expect WHAT COMMAND…: it must succeed.
expect() {
    local what=$1
    shift
    "$@" || fail "$what"
}

# within SECONDS WHAT COMMAND…: it must succeed at last.
within() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "$what"
        sleep 0.1
    done
}

says() { grep -qF -- "$1" <<<"$2"; }

# exits CODE COMMAND…: it must exit so. What it printed is in $said.
exits() {
    local expected=$1 code=0
    shift
    said=$("$@" 2>&1) || code=$?
    echo "\$ $*"
    echo "$said"
    [ "$code" = "$expected" ] || fail "$* exited $code, not $expected"
}

# The server revokes a login when a refresh token is used twice.
"$SCENE/bin/scripted-server" --script '{"lifetime_s":3600}' >"$SCENE/server.log" &
within 5 "the scripted server does not start" test -s "$SCENE/server.log"
url=$(head -n 1 "$SCENE/server.log" | sed 's/.*"url":"\([^"]*\)".*/\1/')

# log_in SECONDS [FILE]: a store with one login, whose access token is valid for so long.
log_in() {
    local file=${2:-$store} granted
    mkdir -p "$(dirname "$file")"
    granted=$(curl -sf "$url/_control" -d "{\"grant\":{\"name\":\"lab\",\"left_s\":$1}}") || fail "no login was granted"
    # shellcheck disable=SC2001 # two parts of it
    (umask 077 && sed 's/.*"key":\("[^"]*"\),"entry":\(.*\)}$/{"mcpOAuth":{\1:\2}}/' <<<"$granted" >"$file")
}

refresh_token() { sed 's/.*"refreshToken":"\([^"]*\)".*/\1/' "${1:-$store}"; }
refreshed() { [ "$(refresh_token "${2:-$store}")" != "$1" ]; }
count() { curl -sf "$url/_counts" | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
running() { mcp-refreshd status >/dev/null 2>&1; }

# Variables of a container's commands.
variables=()

# in_container NAME COMMAND…: with this system's programs, a home and /run of its own, no service manager, and what is mounted below mounts/NAME.
in_container() {
    (enter_container "$@")
}
enter_container() {
    set -e
    local name=$1 root=$SCENE/root-$1
    shift
    mkdir -p "$root"/{root,tmp,run,proc,dev,volume} "$SCENE/mounts/$name"
    for part in usr bin sbin lib lib64 etc dev; do
        [ -e "/$part" ] || continue
        mkdir -p "$root/$part"
        mountpoint -q "$root/$part" || mount --rbind "/$part" "$root/$part"
    done
    mkdir -p "$root$SCENE/bin"
    mountpoint -q "$root$SCENE/bin" || mount --bind "$SCENE/bin" "$root$SCENE/bin"
    # shellcheck disable=SC2016 # for the inner shell
    exec unshare --mount --pid --fork --kill-child --root="$root" \
        env -i HOME=/root PATH="$PATH" LANG=C.UTF-8 "${variables[@]}" sh -c 'mount -t proc proc /proc && exec "$@"' container "$@"
}
# start_container NAME COMMAND…: in the background, as process $container, whose only child is the container's first process.
start_container() {
    enter_container "$@" &
    container=$!
}
# end_container SIGNAL: to the first process of $container. It returns the exit code when all of its processes have ended.
end_container() {
    local first
    first=$(<"/proc/$container/task/$container/children")
    kill -s "$1" "${first% }" || fail "the container runs no longer"
    wait "$container" 2>/dev/null
}
# mounted NAME FROM TO: the bind mount of a container.
mounted() {
    local to=$SCENE/root-$1$3
    mkdir -p "$(dirname "$to")"
    if [ -d "$2" ]; then mkdir -p "$to"; else touch "$to"; fi
    mount --bind "$2" "$to" || fail "mount"
}
