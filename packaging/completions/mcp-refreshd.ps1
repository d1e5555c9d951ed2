
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'mcp-refreshd' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'mcp-refreshd'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'mcp-refreshd' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('run', 'run', [CompletionResultType]::ParameterValue, 'Run the agent in the foreground')
            [CompletionResult]::new('install', 'install', [CompletionResultType]::ParameterValue, 'Install the agent as a service of this user, and start it')
            [CompletionResult]::new('uninstall', 'uninstall', [CompletionResultType]::ParameterValue, 'Remove the service')
            [CompletionResult]::new('start', 'start', [CompletionResultType]::ParameterValue, 'Start the service')
            [CompletionResult]::new('stop', 'stop', [CompletionResultType]::ParameterValue, 'Stop the service until the next login; refreshes in flight finish first')
            [CompletionResult]::new('restart', 'restart', [CompletionResultType]::ParameterValue, 'Restart the service')
            [CompletionResult]::new('reload', 'reload', [CompletionResultType]::ParameterValue, 'Reload the configuration of the running agent, and show what changed')
            [CompletionResult]::new('login', 'login', [CompletionResultType]::ParameterValue, 'Log in to the servers that need it, one after the other')
            [CompletionResult]::new('own', 'own', [CompletionResultType]::ParameterValue, 'Move logins from Claude Code''s store to the agent''s vault')
            [CompletionResult]::new('disown', 'disown', [CompletionResultType]::ParameterValue, 'Move logins from the agent''s vault back to Claude Code''s store')
            [CompletionResult]::new('notice', 'notice', [CompletionResultType]::ParameterValue, 'Send a notice')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show each server: state, time left, last result, and what to do')
            [CompletionResult]::new('refresh', 'refresh', [CompletionResultType]::ParameterValue, 'Refresh the tokens that are due')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Exit 0 if the tokens are valid: for cron, CI, prompts and hooks')
            [CompletionResult]::new('headers', 'headers', [CompletionResultType]::ParameterValue, 'Print a server''s headers, for Claude Code''s headersHelper')
            [CompletionResult]::new('token', 'token', [CompletionResultType]::ParameterValue, 'Print a server''s access token, for scripts and other clients')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'Find problems with the tokens and everything around them, and say how to fix them')
            [CompletionResult]::new('history', 'history', [CompletionResultType]::ParameterValue, 'Show how long each login was valid, and what happened to it')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Print the configuration in effect')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show the agent''s log')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print shell completions')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mcp-refreshd;run' {
            [CompletionResult]::new('--log-file', '--log-file', [CompletionResultType]::ParameterName, 'Log to this file; at 1 MiB it is rotated to FILE with ".1" in its name')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;install' {
            [CompletionResult]::new('--allow-root', '--allow-root', [CompletionResultType]::ParameterName, 'Allow installing as root, for root''s own Claude Code')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only print what would be done')
            [CompletionResult]::new('--add-store', '--add-store', [CompletionResultType]::ParameterName, 'Watch this shell''s store in addition to those that the agent watches now')
            [CompletionResult]::new('--replace-store', '--replace-store', [CompletionResultType]::ParameterName, 'Watch only this shell''s store from now on')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;uninstall' {
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only print what would be removed')
            [CompletionResult]::new('--purge', '--purge', [CompletionResultType]::ParameterName, 'Also remove state and configuration, after asking')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'With --purge: do not ask')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;start' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mcp-refreshd;stop' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mcp-refreshd;restart' {
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only check the configuration')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;reload' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;login' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'With a URL: the name of the server [default: the configured one, else made from the host]')
            [CompletionResult]::new('--client-id', '--client-id', [CompletionResultType]::ParameterName, 'Log in as this client instead of registering one; a URL is the id of a client metadata document')
            [CompletionResult]::new('--callback-port', '--callback-port', [CompletionResultType]::ParameterName, 'Listen for the browser''s redirect on this port [default: a free one]')
            [CompletionResult]::new('--claude', '--claude', [CompletionResultType]::ParameterName, 'Claude Code''s program [default: claude on the PATH]')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Every server that needs a login')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only print the commands')
            [CompletionResult]::new('--no-browser', '--no-browser', [CompletionResultType]::ParameterName, 'Do not open a browser, for a login over SSH: print the URL, then read the URL of the browser''s last page')
            [CompletionResult]::new('--own', '--own', [CompletionResultType]::ParameterName, 'Log in without Claude Code, and put the login into the vault')
            [CompletionResult]::new('--client-secret', '--client-secret', [CompletionResultType]::ParameterName, 'The client has a secret: read it from MCP_CLIENT_SECRET, else from standard input')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;own' {
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Every server')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only print what would be done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;disown' {
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Every server')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only print what would be done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;notice' {
            [CompletionResult]::new('--test', '--test', [CompletionResultType]::ParameterName, 'Send one test notice as configured, and report how it was sent')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mcp-refreshd;status' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Only this store: its folder or its file')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON (format version 1)')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Update the output on every change, until Ctrl-C')
            [CompletionResult]::new('--watch', '--watch', [CompletionResultType]::ParameterName, 'Update the output on every change, until Ctrl-C')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mcp-refreshd;refresh' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Only this store: its folder or its file')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Also refresh tokens that are not due')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only print what would be done')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON (format version 1)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;check' {
            [CompletionResult]::new('--min-valid', '--min-valid', [CompletionResultType]::ParameterName, 'How long a token must still be valid, even a resting one [default: 10m, and a token may rest]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Only this store: its folder or its file')
            [CompletionResult]::new('--live', '--live', [CompletionResultType]::ParameterName, 'Also ask each MCP server whether it accepts the token')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON (format version 1)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;headers' {
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'The URL that the token goes to; prints nothing if the login is for another [default: $CLAUDE_CODE_MCP_SERVER_URL]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Only this store: its folder or its file')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;token' {
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'The URL that the token goes to, where several servers share the name [default: $CLAUDE_CODE_MCP_SERVER_URL]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Only this store: its folder or its file')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;doctor' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Only this store: its folder or its file')
            [CompletionResult]::new('--fix', '--fix', [CompletionResultType]::ParameterName, 'Fix what is safe to fix')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'With --fix: only print what would be done')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'With --fix: answer yes to every question')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Make no network requests')
            [CompletionResult]::new('--live', '--live', [CompletionResultType]::ParameterName, 'Also ask each MCP server whether it accepts its token')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON (format version 1)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;history' {
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Print the last N events instead, newest last ("all" for every one)')
            [CompletionResult]::new('--lines', '--lines', [CompletionResultType]::ParameterName, 'Print the last N events instead, newest last ("all" for every one)')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Since when: 90m, 12h, 7d, 2026-11-20, "2026-11-20 10:00" [default: 7d]')
            [CompletionResult]::new('--svg', '--svg', [CompletionResultType]::ParameterName, 'Also write the picture to this file')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON (format version 1)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;config' {
            [CompletionResult]::new('--defaults', '--defaults', [CompletionResultType]::ParameterName, 'Print the default configuration file instead, with comments')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mcp-refreshd;logs' {
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only the last N lines ("all" for every one)')
            [CompletionResult]::new('--lines', '--lines', [CompletionResultType]::ParameterName, 'Only the last N lines ("all" for every one)')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Follow the log until Ctrl-C')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Follow the log until Ctrl-C')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mcp-refreshd;completions' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mcp-refreshd;help' {
            [CompletionResult]::new('run', 'run', [CompletionResultType]::ParameterValue, 'Run the agent in the foreground')
            [CompletionResult]::new('install', 'install', [CompletionResultType]::ParameterValue, 'Install the agent as a service of this user, and start it')
            [CompletionResult]::new('uninstall', 'uninstall', [CompletionResultType]::ParameterValue, 'Remove the service')
            [CompletionResult]::new('start', 'start', [CompletionResultType]::ParameterValue, 'Start the service')
            [CompletionResult]::new('stop', 'stop', [CompletionResultType]::ParameterValue, 'Stop the service until the next login; refreshes in flight finish first')
            [CompletionResult]::new('restart', 'restart', [CompletionResultType]::ParameterValue, 'Restart the service')
            [CompletionResult]::new('reload', 'reload', [CompletionResultType]::ParameterValue, 'Reload the configuration of the running agent, and show what changed')
            [CompletionResult]::new('login', 'login', [CompletionResultType]::ParameterValue, 'Log in to the servers that need it, one after the other')
            [CompletionResult]::new('own', 'own', [CompletionResultType]::ParameterValue, 'Move logins from Claude Code''s store to the agent''s vault')
            [CompletionResult]::new('disown', 'disown', [CompletionResultType]::ParameterValue, 'Move logins from the agent''s vault back to Claude Code''s store')
            [CompletionResult]::new('notice', 'notice', [CompletionResultType]::ParameterValue, 'Send a notice')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show each server: state, time left, last result, and what to do')
            [CompletionResult]::new('refresh', 'refresh', [CompletionResultType]::ParameterValue, 'Refresh the tokens that are due')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Exit 0 if the tokens are valid: for cron, CI, prompts and hooks')
            [CompletionResult]::new('headers', 'headers', [CompletionResultType]::ParameterValue, 'Print a server''s headers, for Claude Code''s headersHelper')
            [CompletionResult]::new('token', 'token', [CompletionResultType]::ParameterValue, 'Print a server''s access token, for scripts and other clients')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'Find problems with the tokens and everything around them, and say how to fix them')
            [CompletionResult]::new('history', 'history', [CompletionResultType]::ParameterValue, 'Show how long each login was valid, and what happened to it')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Print the configuration in effect')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show the agent''s log')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print shell completions')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mcp-refreshd;help;run' {
            break
        }
        'mcp-refreshd;help;install' {
            break
        }
        'mcp-refreshd;help;uninstall' {
            break
        }
        'mcp-refreshd;help;start' {
            break
        }
        'mcp-refreshd;help;stop' {
            break
        }
        'mcp-refreshd;help;restart' {
            break
        }
        'mcp-refreshd;help;reload' {
            break
        }
        'mcp-refreshd;help;login' {
            break
        }
        'mcp-refreshd;help;own' {
            break
        }
        'mcp-refreshd;help;disown' {
            break
        }
        'mcp-refreshd;help;notice' {
            break
        }
        'mcp-refreshd;help;status' {
            break
        }
        'mcp-refreshd;help;refresh' {
            break
        }
        'mcp-refreshd;help;check' {
            break
        }
        'mcp-refreshd;help;headers' {
            break
        }
        'mcp-refreshd;help;token' {
            break
        }
        'mcp-refreshd;help;doctor' {
            break
        }
        'mcp-refreshd;help;history' {
            break
        }
        'mcp-refreshd;help;config' {
            break
        }
        'mcp-refreshd;help;logs' {
            break
        }
        'mcp-refreshd;help;completions' {
            break
        }
        'mcp-refreshd;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
