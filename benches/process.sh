# shellcheck shell=bash
# What processes cost, as the kernel counts it. For benches/compare.sh.

member() { # member NAME FILE…: the sum of what stands behind a name at the start of lines
    local name=$1
    shift
    awk -v name="$name:" '$1 == name { sum += $2 } END { print sum + 0 }' "$@" </dev/null
}

of_each() { # of_each FILE PID…: that file of each process
    local file=$1 pid
    shift
    for pid in "$@"; do echo "/proc/$pid/$file"; done
}

of_threads() { # of_threads FILE PID…: that file of each thread
    local file=$1 pid thread
    shift
    for pid in "$@"; do
        for thread in "/proc/$pid/task"/*; do echo "$thread/$file"; done
    done
}

# kB; the last of the three counts a page that n processes share as a n-th.
# shellcheck disable=SC2046 # a list of files without blanks in their names
resident() { member VmRSS $(of_each status "$@"); }
# shellcheck disable=SC2046
anonymous() { member RssAnon $(of_each status "$@"); }
# shellcheck disable=SC2046
proportional() { member Pss $(of_each smaps_rollup "$@"); }

# Whether the processes let us look: the daemon hides its memory and its open files from all but root.
is_open() {
    local pid
    for pid in "$@"; do head -n 1 "/proc/$pid/smaps_rollup" >/dev/null 2>&1 || return 1; done
}

threads() { of_threads "" "$@" | wc -l; }
open_files() {
    local pid
    for pid in "$@"; do ls "/proc/$pid/fd"; done | wc -l
}

# How often a thread went to sleep, so how often one was woken.
# shellcheck disable=SC2046
wake_ups() { member voluntary_ctxt_switches $(of_threads status "$@"); }

# Microseconds on a processor of the threads that are there.
# shellcheck disable=SC2046
busy_us() { awk '{ sum += $1 } END { printf "%d\n", sum / 1000 }' $(of_threads schedstat "$@") </dev/null; }

# Microseconds on a processor, ended threads as well, in steps of the kernel's tick.
# shellcheck disable=SC2046
spent_us() {
    local tick
    tick=$(getconf CLK_TCK)
    sed 's/.*) //' $(of_each stat "$@") </dev/null | awk -v tick="$tick" '{ sum += $12 + $13 } END { printf "%d\n", sum * 1000000 / tick }'
}
