use crate::terminal::columns::shortened;
use crate::terminal::remedy;
use crate::terminal::wording::{length, quoted, visible};
use refresh_engine::{Need, passes_by_itself};
use std::time::Duration;

/// What the user is told about one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) store: String,
    pub(crate) key: String,
    pub(crate) server: String,
    /// A word for programs.
    pub(crate) cause: &'static str,
    /// In words.
    pub(crate) why: String,
    /// What to type.
    pub(crate) action: String,
    /// What else to know.
    pub(crate) hint: Option<&'static str>,
    /// Whether it is told again each day as long as it lasts.
    pub(crate) daily: bool,
}

/// What a trouble is known by: store, key and cause.
pub(crate) type Id = (String, String, String);

/// Nothing is wrong.
const TEST: &str = "test";
/// A login that ends soon.
const ENDING: &str = "login_ends";
/// Entries that vanished at once.
const VANISHED: &str = "entries_vanished";
/// More names make no title; the text has them all.
const LONGEST_LIST: usize = 60;

const LOGIN_HINT: &str = "Over SSH add --no-browser to the login. In a session that is already running type /mcp and choose \
     Reconnect afterwards.";

/// Some servers call a login ended when they have forgotten the client, too.
const ENDED_HINT: &str = "Over SSH add --no-browser to the login. If it fails, type claude mcp logout and the server's name before it. In a \
     session that is already running type /mcp and choose Reconnect afterwards.";

impl Trouble {
    /// Only the user can repair the entry.
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

    /// What is sent to see whether notices arrive.
    pub(crate) fn test() -> Self {
        Self {
            store: String::new(),
            key: String::new(),
            server: TEST.to_owned(),
            cause: TEST,
            why: "This is a test, and nothing is wrong".to_owned(),
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

    /// New tokens cannot be saved, or could not be if they were asked for.
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

    /// Several entries vanished from a store at once.
    pub(crate) fn vanished(store: &str, servers: &[String]) -> Self {
        let servers = servers.join(", ");
        Self {
            store: store.to_owned(),
            // Other servers are another trouble.
            key: servers.clone(),
            why: format!(
                "the logins of {servers} vanished from the store at once, or with the login to Claude; that is no logout from a server"
            ),
            server: servers,
            cause: VANISHED,
            action: "mcp-refreshd doctor --fix".to_owned(),
            hint: Some(
                "It puts them back. The agent remembers them for a day; if you removed them yourself, do nothing.",
            ),
            daily: false,
        }
    }

    /// What it is known by: the same one is told once a day.
    pub(crate) fn id(&self) -> Id {
        (self.store.clone(), self.key.clone(), self.cause.to_owned())
    }

    /// The word that a hook gets as `MCP_REFRESHD_EVENT`.
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

    /// Why and what to type.
    pub(crate) fn body(&self) -> String {
        let body = format!("{}.\nType: {}", visible(&self.why).trim_end_matches('.'), visible(&self.action));
        match self.hint {
            Some(hint) => format!("{body}\n{hint}"),
            None => body,
        }
    }
}

/// The word that a hook gets as `MCP_REFRESHD_CAUSE`.
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
