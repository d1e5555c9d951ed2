use crate::action;
use crate::words::{quoted, visible};
use refresh_engine::Need;

/// What a person is told about one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) store: String,
    pub(super) key: String,
    pub(super) server: String,
    /// A word for programs.
    pub(super) cause: &'static str,
    /// In words.
    pub(super) why: String,
    /// What to type.
    pub(super) action: String,
    /// What else to know.
    pub(super) hint: Option<&'static str>,
}

const LOGIN_HINT: &str = "Over SSH add --no-browser to the login. In a session that is already running type /mcp and choose \
     Reconnect afterwards.";

impl Trouble {
    /// Only a person can mend the entry.
    pub(super) fn needs(store: &str, key: &str, server: &str, need: &Need) -> Self {
        let login = !matches!(need, Need::NoEndpoint { .. });
        Self {
            store: store.to_owned(),
            key: key.to_owned(),
            server: server.to_owned(),
            cause: cause(need),
            why: action::why(need),
            action: action::what_to_type(need, server),
            hint: login.then_some(LOGIN_HINT),
        }
    }

    /// New tokens cannot be saved, or could not be if they were asked for.
    pub(super) fn not_saved(store: &str, key: &str, server: &str, why: &str) -> Self {
        Self {
            store: store.to_owned(),
            key: key.to_owned(),
            server: server.to_owned(),
            cause: "not_saved",
            why: format!("its tokens cannot be saved: {why}"),
            action: format!("mcp-refreshd status {}", quoted(server)),
            hint: None,
        }
    }

    /// What it is known by: the same one is told once a day.
    pub(super) fn id(&self) -> (String, String, String) {
        (self.store.clone(), self.key.clone(), self.cause.to_owned())
    }

    /// The notice's first line.
    pub(super) fn title(&self) -> String {
        format!("MCP server {} needs you", visible(&self.server))
    }

    /// Why and what to type.
    pub(super) fn body(&self) -> String {
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
        Need::Spent => "spent",
        Need::EndpointMoved { .. } => "endpoint_moved",
        Need::NoEndpoint { .. } => "no_endpoint",
        Need::NoServerUrl => "no_server_url",
    }
}
