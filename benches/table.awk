# The files of one number of entries, each with lines NAME=NUMBER about one contestant, as a table. For benches/compare.sh.

BEGIN {
    FS = "="
    columns = split("ours oidc-agent by-cron ours-http pizauth", column, " ")
    titles["ours"] = "mcp-refreshd"; titles["ours-http"] = "the same, http"; titles["pizauth"] = "pizauth, http"
    titles["oidc-agent"] = "oidc-agent"; titles["by-cron"] = "script by cron"
}

{
    file = FILENAME
    sub(/.*\//, "", file)
    value[file, $1] = $2
    if ($1 ~ /^(agent|commands)_us$/) value[file, "spent_us"] += $2
    there[file] = 1
}

# A number with at most three digits that say something.
function short(number) { return number >= 100 || number == int(number) ? sprintf("%d", number + 0.5) : sprintf("%.2g", number) }

# A row: the name of a number, its title, by what to divide it.
function row(name, title, unit,    i, cell, own, number) {
    printf "| %s |", title
    for (i = 1; i <= columns; i++) {
        if (!(column[i] in there)) cell = "not given"
        else if ((column[i], "failed") in value) cell = "failed"
        else if (!((column[i], name) in value)) cell = "-"
        else {
            number = value[column[i], name]
            cell = short(number / unit)
            own = value[column[i] == "pizauth" ? "ours-http" : "ours", name]
            if (column[i] != "ours" && own > 0) cell = cell sprintf(" (%.2f)", number / own)
        }
        printf " %s |", cell
    }
    print ""
}

END {
    printf "| %s %s |", entries, entries == 1 ? "entry" : "entries"
    for (i = 1; i <= columns; i++) printf " %s |", titles[column[i]]
    printf "\n|---|"
    for (i = 1; i <= columns; i++) printf "---|"
    print ""
    row("resident", "resident, kB", 1)
    row("proportional", "proportional (PSS), kB", 1)
    row("anonymous", "anonymous, kB", 1)
    row("threads", "threads", 1)
    row("open_files", "open files", 1)
    row("wake_ups_per_hour", "wake-ups an hour, idle", 1)
    row("idle_us_per_hour", "processor, ms an hour, idle", 1000)
    row("binary", "program, stripped, kB", 1)
    row("time_us", "until all are fresh, ms", 1000)
    row("spent_us", "processor for it, ms", 1000)
    row("agent_us", "of that in the agent, ms", 1000)
    row("writes", "writes of a document", 1)
    row("requests", "requests", 1)
}
