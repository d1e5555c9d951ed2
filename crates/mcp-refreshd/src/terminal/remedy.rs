//! What to type: the one place where commands for the user are made.

mod claude;
mod owner;
mod start;

pub(crate) use claude::{
    Variables, argument, for_any_shell, for_this_shell, is_item, is_vault, prefix, remember, remember_vault,
    variables,
};
pub(crate) use owner::{as_user, give_to, give_with_content, user};
pub(crate) use start::{by_hand, how_to_end, how_to_restart, how_to_start, how_to_wake};

use super::shell::then;
use super::wording::visible;
use claude::claude_mcp;
#[cfg(feature = "cluster")]
pub(crate) use claude::remember_cluster;
use claude_store::KEYCHAIN_OVERFLOW;
use refresh_engine::{Need, passes_by_itself};

/// What to type for this server, whose login is in the store at this location.
pub(crate) fn what_to_type(need: &Need, server: &str, store: &str) -> String {
    match need {
        // A login with a registration that the server no longer knows would fail: the logout forgets it.
        Need::ClientDead { .. } => logout_and_login(server, store),
        // No login helps against an address that may not be used; the configuration shows it.
        Need::NoEndpoint { .. } => claude_mcp("get", server, store),
        // Nor against a server that fails, nor against a firewall: asking again at once may.
        Need::ServerFails { .. } => refresh_by_force(server),
        Need::Refused { code } if passes_by_itself(code) => refresh_by_force(server),
        Need::Stub
        | Need::NoRefreshToken
        | Need::Dead { .. }
        | Need::Refused { .. }
        | Need::Spent
        | Need::EndpointMoved { .. }
        | Need::NoServerUrl => login(server, store),
    }
}

/// What to type if that did not help. Some servers call a login ended when they have forgotten the client as well (better-auth 1.7.5 after a
/// restart): a login with the registration in the store fails there.
pub(crate) fn what_else_to_type(need: &Need, server: &str, store: &str) -> Option<String> {
    matches!(need, Need::Dead { .. }).then(|| logout_and_login(server, store))
}

/// A new login in the store at this location.
pub(crate) fn login(server: &str, store: &str) -> String {
    #[cfg(feature = "cluster")]
    if claude::is_cluster(store) {
        return into_cluster(server);
    }
    if is_vault(store) {
        return by_way_of_claude_code(server, &claude_mcp("login", server, ""));
    }
    claude_mcp("login", server, store)
}

/// A login for the vault, which Claude Code makes in its own store.
fn by_way_of_claude_code(server: &str, login: &str) -> String {
    let name = argument(server);
    let back = then(&format!("mcp-refreshd disown {name}"), login);
    then(&back, &format!("mcp-refreshd own {name}"))
}

/// A login for the cluster, by way of this machine's vault.
#[cfg(feature = "cluster")]
fn into_cluster(server: &str) -> String {
    let name = argument(server);
    then(&format!("mcp-refreshd login {name} --own"), &format!("mcp-refreshd cluster add {name}"))
}

fn logout_and_login(server: &str, store: &str) -> String {
    #[cfg(feature = "cluster")]
    if claude::is_cluster(store) {
        return into_cluster(server);
    }
    if is_vault(store) {
        let login = then(&claude_mcp("logout", server, ""), &claude_mcp("login", server, ""));
        return by_way_of_claude_code(server, &login);
    }
    then(&claude_mcp("logout", server, store), &login(server, store))
}

/// Why the user is needed.
pub(crate) fn why(need: &Need) -> String {
    match need {
        Need::Stub => "not logged in".to_owned(),
        Need::NoRefreshToken => {
            "there is no refresh token, so the login lasts as long as its access token".to_owned()
        }
        Need::Dead { code } if code == "server_error" => {
            "the server behind this one refuses the refresh, as it does when a login has ended".to_owned()
        }
        Need::Dead { code } => format!("the login has ended ({code})"),
        Need::ClientDead { code } => {
            format!("the server no longer knows Claude Code's registration ({code})")
        }
        Need::Refused { code } if code == "client_document_unread" => {
            "the server rejects Claude Code's client id, a URL whose document it has to fetch; the agent retries every 15 minutes"
                .to_owned()
        }
        Need::Refused { code } if passes_by_itself(code) => {
            let status = code.trim_start_matches("http_");
            format!(
                "the token endpoint has answered HTTP {status} without an OAuth error for hours: probably a firewall, an IP allow list or an \
                 outage; the login is kept, and the agent retries every 15 minutes"
            )
        }
        Need::ServerFails { why } => {
            format!("the server keeps failing ({why}); the login is kept, and the agent retries")
        }
        Need::Refused { code } => format!("the server keeps refusing the refresh ({code})"),
        Need::Spent => "the store holds a refresh token that was used before, and its successor is lost".to_owned(),
        Need::EndpointMoved { from, to } => {
            format!("the token endpoint moved from {from} to {to}; log in again only if you trust that")
        }
        Need::NoEndpoint { why } => why.clone(),
        Need::NoServerUrl => "the entry names no server".to_owned(),
    }
}

/// A refresh of what is due.
pub(crate) fn refresh(name: &str) -> String {
    format!("mcp-refreshd refresh {}", argument(name))
}

/// A refresh that does not wait until it is due.
pub(crate) fn refresh_by_force(name: &str) -> String {
    if name.starts_with('-') {
        format!("mcp-refreshd refresh --force {}", argument(name))
    } else {
        format!("mcp-refreshd refresh {} --force", argument(name))
    }
}

/// That an entry is passed over because it is not understood, and what to do.
pub(crate) fn left_alone(name: &str, why: &str, store: &str) -> String {
    visible(&format!("{name}: left alone, {why}; {}", how_to_repair(name, store)))
}

/// What to do about an entry that is not understood, or about a part of the document that cannot be read.
pub(crate) fn how_to_repair(name: &str, store: &str) -> String {
    if name == KEYCHAIN_OVERFLOW {
        return "the logins in it are neither refreshed nor forgotten; if Claude Code asks for one of them, too, log in \
                again with `claude mcp login`"
            .to_owned();
    }
    format!("log in again: {}", login(name, store))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store for which no variable is needed, on every machine.
    const HERE: &str = "";
    const WORK: &str = "/srv/my work/.credentials.json";

    fn every_need() -> Vec<Need> {
        let (code, why) = ("invalid_grant".to_owned(), "HTTP 500".to_owned());
        let refused = ["invalid_request", "http_403", "client_document_unread"];
        let mut all = vec![
            Need::Stub,
            Need::NoRefreshToken,
            Need::Dead { code: code.clone() },
            Need::Dead { code: "server_error".into() },
            Need::ClientDead { code },
            Need::ServerFails { why: why.clone() },
            Need::Spent,
            Need::EndpointMoved { from: "https://a.test".into(), to: "https://b.test".into() },
            Need::NoEndpoint { why },
            Need::NoServerUrl,
        ];
        all.extend(refused.map(|code| Need::Refused { code: code.into() }));
        all
    }

    #[test]
    fn no_remedy_leads_back_to_a_command_that_only_looks() {
        for need in every_need() {
            for store in [HERE, WORK] {
                let typed = what_to_type(&need, "lab", store);
                for looking in ["mcp-refreshd check", "mcp-refreshd doctor", "mcp-refreshd status"] {
                    assert!(!typed.contains(looking) && !why(&need).contains(looking), "{need:?}: {typed}");
                }
                let acts = ["claude mcp login ", "claude mcp get ", "mcp-refreshd refresh "];
                assert!(acts.iter().any(|act| typed.contains(act)), "{need:?}: {typed}");
                assert_ne!(Some(typed), what_else_to_type(&need, "lab", store), "{need:?}");
            }
        }
    }

    #[cfg(unix)] // Its paths are those of Unix.
    #[test]
    fn every_call_of_claude_code_names_the_store_it_is_for() {
        for need in every_need() {
            let typed = what_to_type(&need, "lab", WORK);
            let calls = typed.matches("claude mcp ").count();
            let named = typed.matches("CLAUDE_CONFIG_DIR='/srv/my work' claude mcp ").count();
            assert_eq!(calls, named, "{typed}");
        }
        let both = what_to_type(&Need::ClientDead { code: "invalid_client".into() }, "lab", WORK);
        assert_eq!(both.matches("CLAUDE_CONFIG_DIR=").count(), 2, "{both}");
        assert_eq!(
            how_to_repair("my lab", WORK),
            "log in again: CLAUDE_CONFIG_DIR='/srv/my work' claude mcp login 'my lab'"
        );
    }

    // Commands for a POSIX shell; those for PowerShell are tested in `shell.rs`.
    #[cfg(unix)]
    #[test]
    fn the_command_survives_any_name() {
        let typed = |name: &str| what_to_type(&Need::Spent, name, HERE);
        assert_eq!(typed("lab"), "claude mcp login lab");
        assert_eq!(typed("plugin:slack:slack"), "claude mcp login plugin:slack:slack");
        assert_eq!(typed("my lab"), "claude mcp login 'my lab'");
        assert_eq!(typed("it's"), r"claude mcp login 'it'\''s'");
        assert_eq!(typed("--help"), "claude mcp login -- --help");
        assert_eq!(typed("-my lab"), "claude mcp login -- '-my lab'");
        assert_eq!(typed("$(rm -rf ~)"), "claude mcp login '$(rm -rf ~)'");
        assert_eq!(typed("a\u{1b}[2J"), r"claude mcp login $'a\x1b[2J'");
    }

    #[test]
    fn what_a_login_does_not_solve_is_asked_again_instead() {
        let firewall = Need::Refused { code: "http_403".into() };
        let failing = Need::ServerFails { why: "HTTP 500, the server failed".into() };
        let document = Need::Refused { code: "client_document_unread".into() };
        for need in [&firewall, &failing, &document] {
            assert_eq!(what_to_type(need, "lab", HERE), "mcp-refreshd refresh lab --force");
        }
        assert!(why(&firewall).contains("HTTP 403") && why(&firewall).contains("the login is kept"));
        assert!(why(&failing).contains("HTTP 500"));
        assert!(why(&document).contains("client id"));
        let refused = Need::Refused { code: "invalid_request".into() };
        assert_eq!(what_to_type(&refused, "lab", HERE), "claude mcp login lab");
    }

    // Commands for a POSIX shell; those for PowerShell are tested in `shell.rs`.
    #[cfg(unix)]
    #[test]
    fn a_login_that_has_ended_has_a_second_step_if_the_first_does_not_help() {
        let ended = Need::Dead { code: "invalid_grant".into() };
        assert_eq!(what_to_type(&ended, "lab", HERE), "claude mcp login lab");
        let logout_first = "claude mcp logout lab && claude mcp login lab";
        assert_eq!(what_else_to_type(&ended, "lab", HERE).as_deref(), Some(logout_first));
        for need in [Need::Stub, Need::Spent, Need::ClientDead { code: "invalid_client".into() }] {
            assert_eq!(what_else_to_type(&need, "lab", HERE), None);
        }
        let hidden = Need::Dead { code: "server_error".into() };
        assert!(why(&hidden).contains("behind"), "{}", why(&hidden));
    }

    // Commands for a POSIX shell; those for PowerShell are tested in `shell.rs`.
    #[cfg(unix)]
    #[test]
    fn a_registration_that_is_gone_is_forgotten_before_the_next_login() {
        let need = Need::ClientDead { code: "invalid_client".into() };
        assert_eq!(what_to_type(&need, "lab", HERE), "claude mcp logout lab && claude mcp login lab");
    }
}
