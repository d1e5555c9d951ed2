# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what compare.sh reads and gives
# This daemon. For benches/compare.sh.

program=$MCP_REFRESHD
home=$scratch/$name
documents=$home/.claude
document=.credentials.json
written=moved_to

ours=(env -i HOME="$home" "$program")

begin() {
    mkdir -p "$home/.claude" "$home/.config/mcp-refreshd"
    printf '[network]\nextra_ca = ["%s"]\n' "$ca" >"$home/.config/mcp-refreshd/config.toml"
    credentials >"$home/.claude/.credentials.json"
    chmod 600 "$home/.claude/.credentials.json"
    "${ours[@]}" run 2>"$home/log" &
    pids=$!
    until grep -qs "started (process" "$home/log"; do sleep 0.05; done
}

refresh() { "${ours[@]}" refresh --force >"$home/said"; }

end() {
    kill "$pids" || true
    wait
}
