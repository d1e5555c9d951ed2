use crate::ledger::{Ledger, TokenState};
use crate::server::Shared;
use crate::{Answer, ClientAuth, Entry, Outcome, Script};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One MCP server and its authorization server, under one path of the [`Server`](crate::Server).
///
/// A handle: clones refer to the same site.
#[derive(Clone)]
pub struct Site {
    pub(crate) name: String,
    pub(crate) shared: Arc<Shared>,
}

/// A site's script and state.
#[derive(Default)]
pub(crate) struct SiteState {
    pub(crate) script: Script,
    pub(crate) ledger: Ledger,
}

/// One consent, as a client that has just logged in holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// URL of the MCP server.
    pub server_url: String,
    /// Issuer of the authorization server.
    pub issuer: String,
    /// The registered client.
    pub client_id: String,
    /// Its secret, if the script demands one.
    pub client_secret: Option<String>,
    /// The first access token.
    pub access_token: String,
    /// The first refresh token.
    pub refresh_token: String,
    /// When the access token expires, in milliseconds since the epoch.
    pub expires_at_ms: u64,
    /// The granted scope.
    pub scope: String,
}

/// The default scope of a grant.
pub(crate) const SCOPE: &str = "mcp offline_access";

impl Site {
    /// The site's name; empty for the root site.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The issuer: the server's own URL for the root site, else that and the site's name.
    #[must_use]
    pub fn url(&self) -> String {
        if self.name.is_empty() {
            self.shared.base.clone()
        } else {
            format!("{}/{}", self.shared.base, self.name)
        }
    }

    /// URL of the MCP server.
    #[must_use]
    pub fn mcp_url(&self) -> String {
        format!("{}/mcp", self.url())
    }

    /// URL of the token endpoint.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}/token", self.url())
    }

    /// Changes the script, starting with the next request.
    pub fn set(&self, change: impl FnOnce(&mut Script)) {
        self.with(|state| change(&mut state.script));
    }

    /// Queues an answer for one refresh.
    pub fn answer_next(&self, answer: Answer) {
        self.set(|script| script.next.push_back(answer));
    }

    /// Answers every refresh this way when the queue is empty.
    pub fn answer_always(&self, answer: Answer) {
        self.set(|script| script.answer = answer);
    }

    /// A new grant whose access token is good for this long; later ones get the script's lifetime.
    #[must_use]
    pub fn grant(&self, left: Duration) -> Grant {
        self.make_grant(left, None)
    }

    /// A new grant whose access token is good for this long, and whose later ones get the given lifetime.
    #[must_use]
    pub fn grant_with_lifetime(&self, left: Duration, lifetime: Duration) -> Grant {
        self.make_grant(left, Some(lifetime))
    }

    fn make_grant(&self, left: Duration, lifetime: Option<Duration>) -> Grant {
        let expires_at = crate::log::now_us() / 1000 + u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        self.with(|state| {
            let (client_id, client_secret) = state.ledger.register(&state.script);
            let pair = state.ledger.grant(&state.script, Instant::now(), &client_id, SCOPE, lifetime, left);
            Grant {
                server_url: self.mcp_url(),
                issuer: self.url(),
                client_id,
                client_secret,
                access_token: pair.access_token,
                refresh_token: pair.refresh_token,
                expires_at_ms: expires_at,
                scope: pair.scope,
            }
        })
    }

    /// The server's state of a refresh token.
    #[must_use]
    pub fn state_of(&self, refresh_token: &str) -> TokenState {
        self.with(|state| state.ledger.state_of(refresh_token))
    }

    /// Whether both refresh tokens were issued here and descend from one consent.
    #[must_use]
    pub fn is_same_grant(&self, one: &str, other: &str) -> bool {
        self.with(|state| state.ledger.is_same_grant(one, other))
    }

    /// Whether the MCP endpoint would accept this access token now.
    #[must_use]
    pub fn accepts(&self, access_token: &str) -> bool {
        self.with(|state| state.ledger.check_access(Instant::now(), access_token).is_ok())
    }

    /// Kills a refresh token's grant, as its owner may do on a web page. Returns whether there was one.
    pub fn kill(&self, refresh_token: &str) -> bool {
        self.with(|state| state.ledger.kill(refresh_token))
    }

    /// Forgets a registered client, as Supabase does. Returns whether it was known.
    pub fn prune_client(&self, client_id: &str) -> bool {
        self.with(|state| state.ledger.prune_client(client_id))
    }

    /// How many families were revoked because a spent refresh token was reused.
    #[must_use]
    pub fn families_revoked(&self) -> usize {
        self.with(|state| state.ledger.families_revoked())
    }

    /// This site's requests.
    #[must_use]
    pub fn log(&self) -> Vec<Entry> {
        self.shared.log.read().into_iter().filter(|entry| entry.site == self.name).collect()
    }

    /// How many of this site's requests satisfy a condition.
    #[must_use]
    pub fn count(&self, condition: impl Fn(&Entry) -> bool) -> usize {
        self.shared.log.count(|entry| entry.site == self.name && condition(entry))
    }

    /// How many refreshes issued a new pair here.
    #[must_use]
    pub fn refreshes(&self) -> usize {
        self.count(|entry| entry.outcome == Outcome::Fresh)
    }

    pub(crate) fn with<T>(&self, action: impl FnOnce(&mut SiteState) -> T) -> T {
        let mut sites = self.shared.sites();
        action(sites.entry(self.name.clone()).or_default())
    }

    pub(crate) fn client_auth(&self) -> ClientAuth {
        self.with(|state| state.script.client_auth)
    }
}
