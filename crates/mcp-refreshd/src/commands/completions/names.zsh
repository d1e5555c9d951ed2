_mcp-refreshd_names() {
    local -a names
    names=(${(f)"$(_call_program names mcp-refreshd names 2>/dev/null)"})
    compadd -a names
}
