# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what compare.sh reads and gives
# A script for cron: nothing of it is there between two runs. For benches/compare.sh.

program=$benches/by-cron.sh
home=$scratch/$name
documents=$home/.claude
document=.credentials.json
written=moved_to
pids=

run() { # run SECONDS
    env -i HOME="$home" PATH="$PATH" CURL_CA_BUNDLE="$ca" "$program" "$home/.claude/.credentials.json" "$1"
}

begin() {
    mkdir -p "$home/.claude"
    credentials >"$home/.claude/.credentials.json"
    chmod 600 "$home/.claude/.credentials.json"
}

refresh() { run 1000000; }

end() { :; }

# Every five minutes, with nothing due.
between_runs() {
    rm -f "$scratch/commands"
    for _ in $(seq "$rounds"); do { time run 0; } 2>>"$scratch/commands"; done
    tell idle_us_per_hour $(($(commands_us "$scratch/commands") * 12 / rounds))
    tell runs_per_hour 12
    tell resident 0
}
