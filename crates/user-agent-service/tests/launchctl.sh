#!/bin/sh
# Plays launchctl for user 501: same words, same exit codes. What launchd would remember lies beside this script:
#   calls           every call, one line each
#   domain          whether anybody is logged in at the screen
#   loaded          the agent's file, while launchd has it
#   state           running, not running, SIGTERMed; missing means running
#   leaving         how many looks a service takes to be gone after bootout
#   disabled        that the service may not be started
#   fails-at-once   that its process ends as soon as it starts
#   answer-VERB     what to answer to the next call of VERB instead: exit code, then the words
set -u
here=$(dirname "$0")
echo "$*" >>"$here/calls"
label=dev.mcp-refreshd
service=gui/501/$label
say() { # say CODE WORDS...
    code=$1
    shift
    echo "$*" >&2
    exit "$code"
}
verb=$1
if [ -e "$here/answer-$verb" ]; then
    code=$(head -n 1 "$here/answer-$verb")
    tail -n +2 "$here/answer-$verb" >&2
    rm "$here/answer-$verb"
    [ "$code" = hang ] && exec sleep 60
    exit "$code"
fi
case $verb in enable | print-disabled | bootstrap | bootout | kickstart | print) ;; *) say 64 "Unrecognized subcommand: $verb" ;; esac
case $verb in
bootstrap | print-disabled) [ "$2" = gui/501 ] || say 64 "Unrecognized target specifier." ;;
*) [ "$2" = "$service" ] || say 64 "Unrecognized target specifier." ;;
esac
if [ ! -e "$here/domain" ]; then
    case $verb in
    print) say 113 "Bad request.
Could not find domain for user gui: 501" ;;
    bootstrap) say 125 "Bootstrap failed: 125: Domain does not support specified action" ;;
    bootout) say 125 "Boot-out failed: 125: Domain does not support specified action" ;;
    *) say 112 "Could not find domain for user gui: 501" ;;
    esac
fi
begin() {
    if [ -e "$here/fails-at-once" ]; then echo "spawn scheduled" >"$here/state"; else echo running >"$here/state"; fi
}
case $verb in
enable) rm -f "$here/disabled" ;;
print-disabled)
    echo "disabled services = {"
    [ -e "$here/disabled" ] && printf '\t"%s" => disabled\n' "$label"
    echo "}"
    ;;
bootstrap)
    [ -e "$here/loaded" ] && say 5 "Bootstrap failed: 5: Input/output error
Try re-running the command as root for richer errors."
    [ -e "$here/disabled" ] && say 5 "Bootstrap failed: 5: Input/output error"
    [ -f "$3" ] || say 2 "Bootstrap failed: 2: No such file or directory"
    cp "$3" "$here/loaded"
    begin
    ;;
bootout)
    [ -e "$here/loaded" ] || say 3 "Boot-out failed: 3: No such process"
    if [ -e "$here/leaving" ]; then
        echo SIGTERMed >"$here/state"
        say 36 "Boot-out failed: 36: Operation now in progress"
    fi
    rm -f "$here/loaded" "$here/state"
    ;;
kickstart)
    [ -e "$here/loaded" ] || say 113 "Could not find service \"$label\" in domain for user gui: 501"
    [ -e "$here/disabled" ] && say 119 "Could not kickstart service \"$label\": 119: Service is disabled"
    begin
    ;;
print)
    if [ -e "$here/leaving" ] && [ "$(cat "$here/state" 2>/dev/null)" = SIGTERMed ]; then
        left=$(cat "$here/leaving")
        if [ "$left" -gt 0 ]; then
            echo $((left - 1)) >"$here/leaving"
        else
            rm -f "$here/loaded" "$here/state" "$here/leaving"
        fi
    fi
    [ -e "$here/loaded" ] || say 113 "Bad request.
Could not find service \"$label\" in domain for user gui: 501"
    state=$(cat "$here/state")
    printf '%s = {\n\tactive count = 1\n\tpath = %s\n\ttype = LaunchAgent\n\tstate = %s\n' "$service" "$here/loaded" "$state"
    [ "$state" = running ] && printf '\tpid = 4711\n\tlast exit code = (never exited)\n'
    [ "$state" = running ] || printf '\tlast exit code = 1\n'
    printf '\n\tendpoints = {\n\t\t"x" = {\n\t\t\tstate = active\n\t\t}\n\t}\n}\n'
    ;;
esac
