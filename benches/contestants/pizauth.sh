# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what compare.sh reads and gives
# pizauth, given by PIZAUTH. It can be given no certificate authority but its own: over http only. For benches/compare.sh.

program=$PIZAUTH
home=$scratch/$name
documents=

theirs=(env -i HOME="$home" XDG_RUNTIME_DIR="$home/run" SHELL=/bin/sh PATH="$PATH" "$program")

begin() {
    local number url
    mkdir -p "$home/run"
    chmod 700 "$home/run"
    for number in $(seq "$entries"); do
        printf 'account "%s" {\n    auth_uri = "%s/authorize";\n    token_uri = "%s/token";\n    client_id = "%s";\n    scopes = ["mcp", "offline_access"];\n}\n' \
            "$name-$number" "$(site "$number")" "$(site "$number")" "$(granted "$number" .entry.clientId)"
    done >"$home/pizauth.conf"
    "${theirs[@]}" server -d -c "$home/pizauth.conf" 2>"$home/log" &
    pids=$!
    until "${theirs[@]}" status >/dev/null 2>&1; do sleep 0.05; done
    for number in $(seq "$entries"); do
        # Without a token it says where to log in; the scripted server sends the browser straight back.
        url=$({ "${theirs[@]}" show "$name-$number" 2>&1 || true; } | grep -oE 'https?://[^ ]+')
        curl --silent --location --output /dev/null "$url"
        until "${theirs[@]}" show -u "$name-$number" >/dev/null 2>&1; do sleep 0.05; done
    done
}

refresh() {
    local number
    for number in $(seq "$entries"); do "${theirs[@]}" refresh -u "$name-$number"; done
}

end() {
    kill "$pids" || true
    wait
}
