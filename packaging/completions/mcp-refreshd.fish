# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mcp_refreshd_global_optspecs
    string join \n h/help V/version
end

function __fish_mcp_refreshd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mcp_refreshd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mcp_refreshd_using_subcommand
    set -l cmd (__fish_mcp_refreshd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -s V -l version -d 'Print version'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "run" -d 'Run the agent in the foreground'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "install" -d 'Install the agent as a service of this user, and start it'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "uninstall" -d 'Remove the service'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "start" -d 'Start the service'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "stop" -d 'Stop the service until the next login; refreshes in flight finish first'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "restart" -d 'Restart the service'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "reload" -d 'Reload the configuration of the running agent, and show what changed'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "login" -d 'Log in to the servers that need it, one after the other'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "own" -d 'Move logins from Claude Code\'s store to the agent\'s vault'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "disown" -d 'Move logins from the agent\'s vault back to Claude Code\'s store'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "notice" -d 'Send a notice'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "status" -d 'Show each server: state, time left, last result, and what to do'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "refresh" -d 'Refresh the tokens that are due'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "check" -d 'Exit 0 if the tokens are valid: for cron, CI, prompts and hooks'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "headers" -d 'Print a server\'s headers, for Claude Code\'s headersHelper'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "token" -d 'Print a server\'s access token, for scripts and other clients'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "doctor" -d 'Find problems with the tokens and everything around them, and say how to fix them'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "history" -d 'Show how long each login was valid, and what happened to it'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "config" -d 'Print the configuration in effect'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "logs" -d 'Show the agent\'s log'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "completions" -d 'Print shell completions'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand run" -l log-file -d 'Log to this file; at 1 MiB it is rotated to FILE with ".1" in its name' -r -F
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand install" -l allow-root -d 'Allow installing as root, for root\'s own Claude Code'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand install" -l dry-run -d 'Only print what would be done'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand install" -l add-store -d 'Watch this shell\'s store in addition to those that the agent watches now'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand install" -l replace-store -d 'Watch only this shell\'s store from now on'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand uninstall" -l dry-run -d 'Only print what would be removed'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand uninstall" -l purge -d 'Also remove state and configuration, after asking'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand uninstall" -l yes -d 'With --purge: do not ask'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand uninstall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand start" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand stop" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand restart" -l dry-run -d 'Only check the configuration'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand restart" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand login" -l name -d 'With a URL: the name of the server [default: the configured one, else made from the host]' -r
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand login" -l client-id -d 'Log in as this client instead of registering one; a URL is the id of a client metadata document' -r
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand login" -l callback-port -d 'Listen for the browser\'s redirect on this port [default: a free one]' -r
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand login" -l claude -d 'Claude Code\'s program [default: claude on the PATH]' -r -F
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand login" -l all -d 'Every server that needs a login'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand login" -l dry-run -d 'Only print the commands'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand login" -l no-browser -d 'Do not open a browser, for a login over SSH: print the URL, then read the URL of the browser\'s last page'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand login" -l own -d 'Log in without Claude Code, and put the login into the vault'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand login" -l client-secret -d 'The client has a secret: read it from MCP_CLIENT_SECRET, else from standard input'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand login" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand own" -l all -d 'Every server'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand own" -l dry-run -d 'Only print what would be done'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand own" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand disown" -l all -d 'Every server'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand disown" -l dry-run -d 'Only print what would be done'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand disown" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand notice" -l test -d 'Send one test notice as configured, and report how it was sent'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand notice" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand status" -l store -d 'Only this store: its folder or its file' -r -F
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand status" -l json -d 'Print JSON (format version 1)'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand status" -s w -l watch -d 'Update the output on every change, until Ctrl-C'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand status" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand refresh" -l store -d 'Only this store: its folder or its file' -r -F
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand refresh" -l force -d 'Also refresh tokens that are not due'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand refresh" -l dry-run -d 'Only print what would be done'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand refresh" -l json -d 'Print JSON (format version 1)'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand refresh" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand check" -l min-valid -d 'How long a token must still be valid, even a resting one [default: 10m, and a token may rest]' -r
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand check" -l store -d 'Only this store: its folder or its file' -r -F
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand check" -l live -d 'Also ask each MCP server whether it accepts the token'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand check" -s q -l quiet -d 'Print nothing'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand check" -l json -d 'Print JSON (format version 1)'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand headers" -l url -d 'The URL that the token goes to; prints nothing if the login is for another [default: $CLAUDE_CODE_MCP_SERVER_URL]' -r
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand headers" -l store -d 'Only this store: its folder or its file' -r -F
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand headers" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand token" -l url -d 'The URL that the token goes to, where several servers share the name [default: $CLAUDE_CODE_MCP_SERVER_URL]' -r
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand token" -l store -d 'Only this store: its folder or its file' -r -F
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand token" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l store -d 'Only this store: its folder or its file' -r -F
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l fix -d 'Fix what is safe to fix'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l dry-run -d 'With --fix: only print what would be done'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l yes -d 'With --fix: answer yes to every question'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l offline -d 'Make no network requests'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l live -d 'Also ask each MCP server whether it accepts its token'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l json -d 'Print JSON (format version 1)'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand history" -s n -l lines -d 'Print the last N events instead, newest last ("all" for every one)' -r
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand history" -l since -d 'Since when: 90m, 12h, 7d, 2026-11-20, "2026-11-20 10:00" [default: 7d]' -r
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand history" -l svg -d 'Also write the picture to this file' -r -F
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand history" -l json -d 'Print JSON (format version 1)'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand config" -l defaults -d 'Print the default configuration file instead, with comments'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand config" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand logs" -s n -l lines -d 'Only the last N lines ("all" for every one)' -r
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand logs" -s f -l follow -d 'Follow the log until Ctrl-C'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand logs" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "run" -d 'Run the agent in the foreground'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "install" -d 'Install the agent as a service of this user, and start it'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "uninstall" -d 'Remove the service'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "start" -d 'Start the service'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "stop" -d 'Stop the service until the next login; refreshes in flight finish first'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "restart" -d 'Restart the service'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "reload" -d 'Reload the configuration of the running agent, and show what changed'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "login" -d 'Log in to the servers that need it, one after the other'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "own" -d 'Move logins from Claude Code\'s store to the agent\'s vault'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "disown" -d 'Move logins from the agent\'s vault back to Claude Code\'s store'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "notice" -d 'Send a notice'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "status" -d 'Show each server: state, time left, last result, and what to do'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "refresh" -d 'Refresh the tokens that are due'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "check" -d 'Exit 0 if the tokens are valid: for cron, CI, prompts and hooks'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "headers" -d 'Print a server\'s headers, for Claude Code\'s headersHelper'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "token" -d 'Print a server\'s access token, for scripts and other clients'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "doctor" -d 'Find problems with the tokens and everything around them, and say how to fix them'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "history" -d 'Show how long each login was valid, and what happened to it'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "config" -d 'Print the configuration in effect'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "logs" -d 'Show the agent\'s log'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "completions" -d 'Print shell completions'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart reload login own disown notice status refresh check headers token doctor history config logs completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand login own disown status refresh check headers token doctor history" -f -a "(mcp-refreshd names 2>/dev/null)"
