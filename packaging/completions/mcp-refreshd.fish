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
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "run" -d 'Runs the agent in the foreground'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "install" -d 'Installs the agent as a service of this user, and starts it'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "uninstall" -d 'Takes the service away again'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "start" -d 'Starts the service'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "stop" -d 'Ends the service until the next login; refreshes in flight come to their end first'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "restart" -d 'Ends the service and starts it again'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "status" -d 'Shows every server: its state, the time left, the last result, and what to type'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "refresh" -d 'Refreshes now what is due'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "check" -d 'Says by its exit code whether tokens are good: for cron, CI, prompts and hooks'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "doctor" -d 'Looks for everything that can be wrong around the tokens, and names the cure'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "history" -d 'Shows what happened to every login, and how long each was good'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "config" -d 'Prints the configuration in effect'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "logs" -d 'Shows the agent\'s log, wherever this system keeps it'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "completions" -d 'Prints the completions of a shell'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand run" -l log-file -d 'Logs into this file; at 1 MiB it becomes FILE with ".1" in its name, and a new one begins' -r -F
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand install" -l allow-root -d 'Also as root, for root\'s own Claude Code'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand uninstall" -l purge -d 'Also removes state and configuration, after asking'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand uninstall" -l yes -d 'With --purge: does not ask'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand uninstall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand start" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand stop" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand restart" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand status" -l json -d 'Prints JSON (format version 1)'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand status" -s w -l watch -d 'Shows it again whenever something changed, until Ctrl-C'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand status" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand refresh" -l force -d 'Also those that are not due'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand refresh" -l dry-run -d 'Only says what would be done'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand refresh" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand check" -l min-valid -d 'How long a token has to be good for, one that rests too; without it 10m, and a rest is no fault' -r
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand check" -l live -d 'Also asks each MCP server whether it accepts the token'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand check" -s q -l quiet -d 'Prints nothing'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l fix -d 'Mends what is safe to mend'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l dry-run -d 'With --fix: only says what would be done'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l yes -d 'With --fix: answers yes where it would ask'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l offline -d 'Asks no server on the network'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l live -d 'Also asks each MCP server whether it accepts its token'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -l json -d 'Prints JSON (format version 1)'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand history" -l since -d 'How far back: 90m, 12h, 7d' -r
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand history" -l svg -d 'Writes the picture to this file, too' -r -F
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand history" -l json -d 'Prints JSON (format version 1)'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand config" -l defaults -d 'Prints the default configuration file, with comments, instead'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand config" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand logs" -s f -l follow -d 'Also what is logged from now on, until Ctrl-C'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand logs" -s h -l help -d 'Print help'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "run" -d 'Runs the agent in the foreground'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "install" -d 'Installs the agent as a service of this user, and starts it'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "uninstall" -d 'Takes the service away again'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "start" -d 'Starts the service'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "stop" -d 'Ends the service until the next login; refreshes in flight come to their end first'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "restart" -d 'Ends the service and starts it again'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "status" -d 'Shows every server: its state, the time left, the last result, and what to type'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "refresh" -d 'Refreshes now what is due'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "check" -d 'Says by its exit code whether tokens are good: for cron, CI, prompts and hooks'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "doctor" -d 'Looks for everything that can be wrong around the tokens, and names the cure'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "history" -d 'Shows what happened to every login, and how long each was good'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "config" -d 'Prints the configuration in effect'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "logs" -d 'Shows the agent\'s log, wherever this system keeps it'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "completions" -d 'Prints the completions of a shell'
complete -c mcp-refreshd -n "__fish_mcp_refreshd_using_subcommand help; and not __fish_seen_subcommand_from run install uninstall start stop restart status refresh check doctor history config logs completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
