complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand @COMMANDS@" -f -a "(mcp-refreshd names 2>/dev/null)"
