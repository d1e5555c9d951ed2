
# Names of servers. Readline may split a word at a colon; what it has behind the last one is all that may be answered.
_mcp-refreshd_names() {
    _mcp__refreshd "$@"
    local command="" word cur line="${COMP_LINE:0:COMP_POINT}" prefix="" name
    [[ $line =~ (([^[:space:]\\]|\\.)*)$ ]] && cur=${BASH_REMATCH[1]}
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == -* ]] || { command=$word && break; }
    done
    case $command in @COMMANDS_AS_PATTERN@) ;; *) return 0 ;; esac
    case ${COMP_WORDS[COMP_CWORD-1]} in @OPTIONS_AS_PATTERN@) return 0 ;; esac
    [[ $cur == -* ]] && return 0
    [[ $COMP_WORDBREAKS == *:* ]] && prefix=${cur%"${cur##*:}"}
    COMPREPLY=()
    while IFS= read -r name; do
        printf -v name %q "$name"
        [[ $name == "$cur"* ]] && COMPREPLY+=("${name#"$prefix"}")
    done < <(mcp-refreshd names 2>/dev/null)
}

complete -F _mcp-refreshd_names -o bashdefault mcp-refreshd
