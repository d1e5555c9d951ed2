//! What a person is told when only they can help.

use crate::terminal::wording::quoted;
use claude_store::KEYCHAIN_OVERFLOW;
use refresh_engine::{Need, passes_by_itself};

/// What to type.
pub(crate) fn what_to_type(need: &Need, server: &str) -> String {
    let name = argument(server);
    match need {
        // A login with the registration that the server no longer knows would fail: the logout forgets it.
        Need::ClientDead { .. } => format!("claude mcp logout {name} && claude mcp login {name}"),
        // No login helps against an address that may not be used; the configuration shows it.
        Need::NoEndpoint { .. } => format!("claude mcp get {name}"),
        // Nor against a server that fails, nor against a firewall: whoever wants may ask at once.
        Need::ServerFails { .. } => refresh_by_force(server),
        Need::Refused { code } if passes_by_itself(code) => refresh_by_force(server),
        Need::Stub
        | Need::NoRefreshToken
        | Need::Dead { .. }
        | Need::Refused { .. }
        | Need::Spent
        | Need::EndpointMoved { .. }
        | Need::NoServerUrl => format!("claude mcp login {name}"),
    }
}

/// What to type where that did not help. Some servers call a login ended when they have forgotten the client as well (better-auth 1.7.5 after a
/// restart): a login that goes on with the registration in the store fails there.
pub(crate) fn what_else_to_type(need: &Need, server: &str) -> Option<String> {
    let name = argument(server);
    matches!(need, Need::Dead { .. }).then(|| format!("claude mcp logout {name} && claude mcp login {name}"))
}

/// Why it has to be a person.
pub(crate) fn why(need: &Need) -> String {
    match need {
        Need::Stub => "not logged in".to_owned(),
        Need::NoRefreshToken => {
            "the server gave no refresh token, and the access token ends or has ended".to_owned()
        }
        Need::Dead { code } if code == "server_error" => {
            "the server behind this one refuses the refresh, as it does when a login has ended".to_owned()
        }
        Need::Dead { code } => format!("the login has ended ({code})"),
        Need::ClientDead { code } => {
            format!("the server no longer knows Claude Code's registration ({code})")
        }
        Need::Refused { code } if code == "client_document_unread" => {
            "the server does not take Claude Code's client id, a URL whose document it has to fetch; it is asked again every quarter of an hour"
                .to_owned()
        }
        Need::Refused { code } if passes_by_itself(code) => {
            let status = code.trim_start_matches("http_");
            format!(
                "for hours the token endpoint has answered HTTP {status} without a word on the login: a firewall, a list of addresses or \
                 an outage stands before it; the login is kept, and it is asked again every quarter of an hour"
            )
        }
        Need::ServerFails { why } => {
            format!("the server answers again and again that it failed ({why}); the login is kept, and it is asked again")
        }
        Need::Refused { code } => format!("the server keeps refusing the refresh ({code})"),
        Need::Spent => {
            "the store holds a refresh token that was used already, and its successor is lost".to_owned()
        }
        Need::EndpointMoved { from, to } => {
            format!(
                "the server now wants its tokens at {to} instead of {from}; log in again only if you trust that"
            )
        }
        Need::NoEndpoint { why } => why.clone(),
        Need::NoServerUrl => "the entry names no server".to_owned(),
    }
}

/// How a refresh is asked for that does not wait for its time.
pub(crate) fn refresh_by_force(name: &str) -> String {
    if name.starts_with('-') {
        format!("mcp-refreshd refresh --force {}", argument(name))
    } else {
        format!("mcp-refreshd refresh {} --force", argument(name))
    }
}

/// What to do about an entry that is not understood, or about a part of the document that cannot be seen.
pub(crate) fn how_to_mend(name: &str) -> String {
    if name == KEYCHAIN_OVERFLOW {
        return "the logins in it are neither refreshed nor forgotten; where Claude Code asks for one of them, too, log in \
                again with `claude mcp login`"
            .to_owned();
    }
    format!("mend it, or type: claude mcp login {}", argument(name))
}

/// A name as an argument: quoted where the shell needs it, and never taken for an option.
pub(crate) fn argument(name: &str) -> String {
    if name.starts_with('-') { format!("-- {}", quoted(name)) } else { quoted(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_survives_any_name() {
        assert_eq!(what_to_type(&Need::Stub, "lab"), "claude mcp login lab");
        assert_eq!(what_to_type(&Need::Spent, "my lab"), "claude mcp login 'my lab'");
        assert_eq!(what_to_type(&Need::Spent, "--help"), "claude mcp login -- --help");
        assert_eq!(what_to_type(&Need::Spent, "$(rm -rf ~)"), "claude mcp login '$(rm -rf ~)'");
    }

    #[test]
    fn what_a_login_does_not_mend_is_asked_again_instead() {
        let firewall = Need::Refused { code: "http_403".into() };
        let failing = Need::ServerFails { why: "HTTP 500, the server failed".into() };
        let document = Need::Refused { code: "client_document_unread".into() };
        for need in [&firewall, &failing, &document] {
            assert_eq!(what_to_type(need, "lab"), "mcp-refreshd refresh lab --force");
        }
        assert!(why(&firewall).contains("HTTP 403") && why(&firewall).contains("the login is kept"));
        assert!(why(&failing).contains("HTTP 500"));
        assert!(why(&document).contains("client id"));
        let refused = Need::Refused { code: "invalid_request".into() };
        assert_eq!(what_to_type(&refused, "lab"), "claude mcp login lab");
    }

    #[test]
    fn a_login_that_has_ended_has_a_second_step_where_the_first_does_not_help() {
        let ended = Need::Dead { code: "invalid_grant".into() };
        assert_eq!(what_to_type(&ended, "lab"), "claude mcp login lab");
        let logout_first = "claude mcp logout lab && claude mcp login lab";
        assert_eq!(what_else_to_type(&ended, "lab").as_deref(), Some(logout_first));
        for need in [Need::Stub, Need::Spent, Need::ClientDead { code: "invalid_client".into() }] {
            assert_eq!(what_else_to_type(&need, "lab"), None);
        }
        let hidden = Need::Dead { code: "server_error".into() };
        assert!(why(&hidden).contains("behind"), "{}", why(&hidden));
    }

    #[test]
    fn a_registration_that_is_gone_is_forgotten_before_the_next_login() {
        let need = Need::ClientDead { code: "invalid_client".into() };
        assert_eq!(what_to_type(&need, "lab"), "claude mcp logout lab && claude mcp login lab");
    }
}
