# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what compare.sh reads and gives
# oidc-agent: an agent of two processes, and a program that asks it for a token. For benches/compare.sh.

program=$OIDC_AGENT
home=$scratch/$name
documents=$home/accounts
document="$name-.*"
written=close_write

theirs=(env -i HOME="$home" OIDC_CONFIG_DIR="$home/accounts" OIDC_SOCK="$home/agent" PATH="$PATH")

begin() {
    local number
    mkdir -p "$home/accounts"
    chmod 700 "$home" "$home/accounts"
    echo "made up" >"$home/password"
    "${theirs[@]}" "$program" --console --no-webserver --no-autoreauthenticate --socket-path="$home/agent" >"$home/log" 2>&1 &
    pids=$!
    until [ -S "$home/agent" ]; do sleep 0.05; done
    for number in $(seq "$entries"); do
        # It knows only servers of OpenID, and confidential clients.
        control "$number" '{"set": {"discovery": "open_id_appended", "client_auth": "basic"}}' >/dev/null
        "${theirs[@]}" oidc-gen --prompt=none --confirm-yes --pw-file="$home/password" --cp="$ca" --no-url-call --redirect-uri=http://localhost:4242 \
            --iss="$(site "$number")" --client-id="$(granted "$number" .entry.clientId)" --client-secret=none \
            --scope="mcp offline_access" --rt="$(granted "$number" .entry.refreshToken)" "$name-$number" >>"$home/log" 2>&1 </dev/null
    done
    pids="$pids $(pgrep -P "$pids")"
}

refresh() {
    local number waiting=()
    for number in $(seq "$entries"); do
        "${theirs[@]}" oidc-token --force-new "$name-$number" >/dev/null &
        waiting+=($!)
    done
    wait "${waiting[@]}"
}

end() {
    # shellcheck disable=SC2086 # a list
    kill $pids || true
    wait
}
