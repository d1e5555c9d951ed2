use crate::terminal::columns::shortened;
use crate::terminal::remedy;
use crate::terminal::wording::{length, quoted, visible};
use refresh_engine::{Need, passes_by_itself};
use std::time::Duration;

/// A problem with one entry that the user is notified of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) store: String,
    pub(crate) key: String,
    pub(crate) server: String,
    /// A keyword for programs.
    pub(crate) cause: &'static str,
    /// The reason, in words.
    pub(crate) why: String,
    /// What to type.
    pub(crate) action: String,
    /// Further advice.
    pub(crate) hint: Option<&'static str>,
    /// Whether the notice is repeated daily while the trouble lasts.
    pub(crate) daily: bool,
}

/// Identifies a trouble: store, key and cause.
pub(crate) type Id = (String, String, String);

/// A test notice; nothing is wrong.
const TEST: &str = "test";
/// A login that ends soon.
const ENDING: &str = "login_ends";
/// Entries that vanished together.
const VANISHED: &str = "entries_vanished";
/// A longer list of names does not fit into the title; the body has them all.
const LONGEST_LIST: usize = 60;

const LOGIN_HINT: &str = "Over SSH, add --no-browser to the login. In a running session, type /mcp and choose \
     Reconnect afterwards.";

/// Some servers also report an ended login when they have forgotten the client.
const ENDED_HINT: &str = "Over SSH, add --no-browser to the login. If it fails, run claude mcp logout with the server's name first. In a \
     running session, type /mcp and choose Reconnect afterwards.";

impl Trouble {
    /// Only the user can fix the entry.
    pub(crate) fn needs(store: &str, key: &str, server: &str, need: &Need) -> Self {
        let passing = matches!(need, Need::Refused { code } if passes_by_itself(code));
        let login = !passing && !matches!(need, Need::NoEndpoint { .. } | Need::ServerFails { .. });
        Self {
            store: store.to_owned(),
            key: key.to_owned(),
            server: server.to_owned(),
            cause: cause(need),
            why: remedy::why(need),
            action: remedy::what_to_type(need, server, store),
            hint: login.then_some(if matches!(need, Need::Dead { .. }) { ENDED_HINT } else { LOGIN_HINT }),
            daily: true,
        }
    }

    /// A notice that only tests whether notices arrive.
    pub(crate) fn test() -> Self {
        Self {
            store: String::new(),
            key: String::new(),
            server: TEST.to_owned(),
            cause: TEST,
            why: "This is a test; nothing is wrong".to_owned(),
            action: "mcp-refreshd status".to_owned(),
            hint: None,
            daily: false,
        }
    }

    /// A login that no refresh can keep, and that ends soon.
    pub(crate) fn ends(place: (&str, &str, &str), left: Duration, why: &str) -> Self {
        let (store, key, server) = place;
        Self {
            store: store.to_owned(),
            key: key.to_owned(),
            server: server.to_owned(),
            cause: ENDING,
            why: format!("its login ends in {}: {why}", length(left)),
            action: remedy::what_to_type(&Need::NoRefreshToken, server, store),
            hint: Some(LOGIN_HINT),
            daily: false,
        }
    }

    /// New tokens cannot be saved, or could not be if they were requested.
    pub(crate) fn not_saved(store: &str, key: &str, server: &str, why: &str) -> Self {
        Self {
            store: store.to_owned(),
            key: key.to_owned(),
            server: server.to_owned(),
            cause: "not_saved",
            why: format!("its tokens cannot be saved: {why}"),
            action: format!("mcp-refreshd status {}", quoted(server)),
            hint: None,
            daily: true,
        }
    }

    /// Several entries vanished from a store together.
    pub(crate) fn vanished(store: &str, servers: &[String]) -> Self {
        let servers = servers.join(", ");
        Self {
            store: store.to_owned(),
            // Different servers are a different trouble.
            key: servers.clone(),
            why: format!(
                "the logins of {servers} vanished from the store together, or with the login to Claude; logging out of a server does not do that"
            ),
            server: servers,
            cause: VANISHED,
            action: "mcp-refreshd doctor --fix".to_owned(),
            hint: Some(
                "This restores them. The agent remembers them for a day; if you removed them yourself, do nothing.",
            ),
            daily: false,
        }
    }

    /// Its identity: the same trouble is reported once a day.
    pub(crate) fn id(&self) -> Id {
        (self.store.clone(), self.key.clone(), self.cause.to_owned())
    }

    /// The value of `MCP_REFRESHD_EVENT` for a hook.
    pub(crate) fn event(&self) -> &'static str {
        if self.cause == TEST { TEST } else { "action_required" }
    }

    /// The notice's first line.
    pub(crate) fn title(&self) -> String {
        match self.cause {
            TEST => "mcp-refreshd: test notice".to_owned(),
            ENDING => format!("MCP server {}: log in soon", visible(&self.server)),
            VANISHED => format!("MCP logins vanished: {}", shortened(&self.server, LONGEST_LIST)),
            _ => format!("MCP server {} needs you", visible(&self.server)),
        }
    }

    /// The reason and what to type.
    pub(crate) fn body(&self) -> String {
        let body = format!("{}.\nType: {}", visible(&self.why).trim_end_matches('.'), visible(&self.action));
        match self.hint {
            Some(hint) => format!("{body}\n{hint}"),
            None => body,
        }
    }
}

/// The value of `MCP_REFRESHD_CAUSE` for a hook.
fn cause(need: &Need) -> &'static str {
    match need {
        Need::Stub => "not_logged_in",
        Need::NoRefreshToken => "no_refresh_token",
        Need::Dead { .. } => "login_ended",
        Need::ClientDead { .. } => "registration_gone",
        Need::Refused { .. } => "refused",
        Need::ServerFails { .. } => "server_fails",
        Need::Spent => "spent",
        Need::EndpointMoved { .. } => "endpoint_moved",
        Need::NoEndpoint { .. } => "no_endpoint",
        Need::NoServerUrl => "no_server_url",
    }
}
