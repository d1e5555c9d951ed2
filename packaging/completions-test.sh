#!/usr/bin/env bash
# Tests that server names complete in bash, zsh and fish, in the real shells with the scripts that the program prints.
#
#   packaging/completions-test.sh PROGRAM
set -euo pipefail
program="$(realpath "$1")"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

mkdir -p "$scratch/bin" "$scratch/home/.claude" "$scratch/zsh"
ln -s "$program" "$scratch/bin/mcp-refreshd"
cat >"$scratch/home/.claude/.credentials.json" <<'JSON'
{"mcpOAuth":{"linear|00":{"serverName":"linear","accessToken":"at_secret"},"p|01":{"serverName":"plugin:slack:slack","accessToken":""},
"m|02":{"serverName":"my server","accessToken":""},"e|03":{"serverName":"bad\u001b[2J","accessToken":""}}}
JSON
shell() { env -i HOME="$scratch/home" PATH="$scratch/bin:/usr/bin:/bin" LANG=C.UTF-8 TERM=xterm "$@"; }

# Where no name fits, shells offer files: here are none.
mkdir "$scratch/empty"
cd "$scratch/empty"

names="$(shell mcp-refreshd names)"
[ "$names" = $'linear\nmy server\nplugin:slack:slack' ] || fail "names: $names"
mkdir "$scratch/broken"
echo broken >"$scratch/broken/.credentials.json"
for folder in broken nowhere; do
    [ -z "$(shell env CLAUDE_CONFIG_DIR="$scratch/$folder" mcp-refreshd names 2>&1)" ] || fail "$folder: it says something"
done

# bash: what readline would call, with the words that it would hand over.
shell mcp-refreshd completions bash >"$scratch/completions.bash"
# shellcheck disable=SC2016 # bash is to expand it
in_bash() { # in_bash LINE
    shell bash --norc -c '
        source "$1"
        COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDBREAKS=$'"' \\t\\n\"\\'><=;|&(:'"'
        words=${2//:/ : }
        read -ra COMP_WORDS <<<"$words"
        [[ $words != *" " ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _mcp-refreshd_names mcp-refreshd "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf "%s\n" "${COMPREPLY[@]}"' bash "$scratch/completions.bash" "$1"
}
expect() { # expect SHELL LINE EXPECTED
    local got
    got="$("in_$1" "$2" | sort)"
    [ "$got" = "$3" ] || fail "$1, \"$2\": $(printf %q "$got") instead of $(printf %q "$3")"
}
expect bash "mcp-refreshd status li" linear
expect bash "mcp-refreshd refresh --force " $'linear\nmy\\ server\nplugin:slack:slack'
expect bash "mcp-refreshd history plugin:sl" slack:slack
expect bash "mcp-refreshd check linear my" 'my\ server'
expect bash "mcp-refreshd status --js" --json
expect bash "mcp-refreshd sta" $'start\nstatus'

# fish answers such questions itself.
shell mcp-refreshd completions fish >"$scratch/completions.fish"
in_fish() {
    shell fish --no-config -c "source $scratch/completions.fish; complete --do-complete '$1'" | cut -f 1
}
expect fish "mcp-refreshd status li" linear
expect fish "mcp-refreshd check linear plu" plugin:slack:slack
expect fish "mcp-refreshd logs li" ""

# zsh completes on a terminal alone: a Tab is typed into one, and the line that it leaves is read.
shell mcp-refreshd completions zsh >"$scratch/zsh/_mcp-refreshd"
cat >"$scratch/home/.zshrc" <<RC
fpath=($scratch/zsh \$fpath)
autoload -Uz compinit && compinit -u -d $scratch/zcompdump
show() { print -r -- "<<\$BUFFER>>"; zle send-break }
zle -N show
bindkey '^X' show
RC
# shellcheck disable=SC2016 # zsh is to expand it
in_zsh() { # in_zsh LINE: the line after a Tab
    shell zsh -f -c '
        zmodload zsh/zpty
        zpty it "zsh -f -i"
        zpty -w it "PS1=; PROMPT_EOL_MARK=; unsetopt zle_bracketed_paste; source ~/.zshrc; print rea\dy"
        zpty -r it seen "*ready*"
        zpty -w -n it "$1"$'"'\\t'"'
        sleep 1
        zpty -w -n it $'"'\\x18'"'
        zpty -r it seen "*<<*>>*"
        print -r -- "$seen"
        zpty -d it' zsh "$1" | tr -d '\r' | sed -n 's/.*<<\(.*\)>>.*/\1/p' | tail -n 1 | sed 's/ *$//'
}
expect zsh "mcp-refreshd status li" "mcp-refreshd status linear"
expect zsh "mcp-refreshd check linear plu" "mcp-refreshd check linear plugin:slack:slack"
echo "bash, zsh and fish complete servers' names"
