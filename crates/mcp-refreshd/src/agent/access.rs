//! Access tokens for programs that ask for them: which entry is meant, whether its token is good, and whether it was refused.

pub(crate) mod choose;
mod handouts;
pub(crate) mod on_disk;

use super::vault::{self, ledger::Ledger};
use super::{Agent, Kept, chosen_store, done::done};
use crate::control::protocol::{HandedOut, NoToken, TokenRequest};
use crate::control::secret_text::SecretText;
use crate::terminal::suggest::no_server_is_called;
use crate::terminal::wording::visible;
use crate::terminal::{remedy, shell};
use choose::{Candidate, Place, Refusal, choose};
use claude_store::{EntryKey, Ownership, Store};
pub(crate) use handouts::Handouts;
use handouts::{EntryId, Suspicion};
use jiff::{SignedDuration, Timestamp};
use oauth_secret::{AccessToken, TokenDigest};
use refresh_engine::{AccessGrant, Refreshed, RefreshedHow, Wanted};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// An answer takes no longer: Claude Code ends its helper after 10 s (measured), and the helper itself needs a part of that. A refresh that has begun goes on.
const PATIENCE: Duration = Duration::from_millis(7200);
/// A pause that is over in a moment is not looked at over and over.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// An MCP server that does not answer within this time is not asked whether it refuses a token.
const PROBE: Duration = Duration::from_secs(2);
/// A token may still do for this long after its end: clocks differ, and servers allow for that.
pub(crate) const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

impl Agent {
    /// The access token of the entry that is meant, refreshed first where too little is left of it or the server refused it.
    ///
    /// # Errors
    /// No entry is meant, or its token cannot do any longer.
    pub(crate) async fn access_token(&self, request: &TokenRequest) -> Result<HandedOut, NoToken> {
        let until = tokio::time::Instant::now() + PATIENCE;
        for kept in self.kept() {
            // A store that is slow to read is taken as it was last seen.
            let _ = tokio::time::timeout_at(until, kept.keeper.look()).await;
        }
        let (kept, grant) = self.meant(request)?;
        let location = kept.keeper.location().to_owned();
        let entry = (location.clone(), grant.key.to_string());
        let (now, renewed) = loop {
            let renewed =
                tokio::time::timeout_at(until, self.renew(&kept, &grant, &entry, request.caller.as_deref()))
                    .await;
            let Some(now) = kept.keeper.access_grant(&grant.key) else {
                return Err(NoToken { why: gone(&grant.name), store: location, ..NoToken::none() });
            };
            // Rather late than nothing: without a token Claude Code takes the server for one that needs a login.
            match pause(&now, Timestamp::now()).map(|pause| tokio::time::Instant::now() + pause) {
                Some(over) if over < until => tokio::time::sleep_until(over).await,
                _ => break (now, renewed),
            }
        };
        let handed_out = handed_out(&kept, &now, renewed.ok(), Timestamp::now()).map_err(|why| NoToken {
            why,
            store: location,
            ..NoToken::none()
        })?;
        if let (Some(caller), Some(token)) = (&request.caller, &now.token) {
            self.handouts.borrow_mut().note(caller, &entry, token.digest(), Instant::now());
        }
        Ok(handed_out)
    }

    /// Refreshes it if there is a reason.
    async fn renew(
        &self,
        kept: &Kept,
        grant: &AccessGrant,
        entry: &EntryId,
        caller: Option<&str>,
    ) -> Option<RefreshedHow> {
        let (keeper, key) = (&kept.keeper, &grant.key);
        let refused = || {
            self.handouts.borrow_mut().note_renewal(entry, Instant::now());
            keeper.renew(key, Wanted::Another)
        };
        match self.suspicion(caller, entry, grant.token.as_ref().map(AccessToken::digest)) {
            Suspicion::Nothing => keeper.renew(key, Wanted::First).await,
            // Whatever runs may bring another token.
            _ if keeper.is_renewing(key) => keeper.renew(key, Wanted::Another).await,
            Suspicion::Refused => refused().await,
            Suspicion::Perhaps if is_refused(kept, grant).await => refused().await,
            Suspicion::Perhaps | Suspicion::Again => keeper.renew(key, Wanted::First).await,
        }
    }

    fn suspicion(&self, caller: Option<&str>, entry: &EntryId, token: Option<TokenDigest>) -> Suspicion {
        match (caller, token) {
            (Some(caller), Some(token)) => {
                self.handouts.borrow().suspicion(caller, entry, token, Instant::now())
            }
            _ => Suspicion::Nothing,
        }
    }

    fn meant(&self, request: &TokenRequest) -> Result<(Rc<Kept>, AccessGrant), NoToken> {
        let stores = self.stores_meant(request)?;
        // One that cannot be read keeps the agent from the vault.
        let ledger = Ledger::load(&vault::folder(&self.common.paths)).unwrap_or_default();
        let of = |kept: &Rc<Kept>| {
            let grants = kept.keeper.access_grants(&request.name);
            let kept = Rc::clone(kept);
            grants.into_iter().map(move |grant| (Rc::clone(&kept), grant))
        };
        // What `own` left in a store is no login of that store.
        let is_left = |kept: &Kept, grant: &AccessGrant| {
            let is_stub = grant.token.is_none() && request.store.is_some();
            is_stub && ledger.took(kept.keeper.location(), grant.key.as_str())
        };
        let named: Vec<_> =
            stores.iter().flat_map(of).filter(|(kept, grant)| !is_left(kept, grant)).collect();
        let candidates: Vec<_> = named
            .iter()
            .map(|(kept, grant)| Candidate {
                key: grant.key.to_string(),
                name: grant.name.clone(),
                url: grant.url.clone(),
                store: kept.keeper.location().to_owned(),
                place: match kept.keeper.store().ownership() {
                    Ownership::Own => place_in_vault(&ledger, grant.key.as_str(), request),
                    Ownership::Shared => place(kept, request.document.as_deref()),
                },
                has_token: grant.token.is_some(),
            })
            .collect();
        match choose(&request.name, request.url.as_deref(), &candidates) {
            Ok(index) => {
                named.into_iter().nth(index).ok_or_else(|| refused(request, &Refusal::Unknown, &stores))
            }
            Err(refusal) => Err(refused(request, &refusal, &stores)),
        }
    }

    /// The stores that may be meant.
    fn stores_meant(&self, request: &TokenRequest) -> Result<Vec<Rc<Kept>>, NoToken> {
        let Some(argument) = &request.store else { return Ok(self.kept()) };
        let (mut kept, config) = (self.kept(), self.common.config.borrow());
        let known = kept.iter().map(|kept| kept.keeper.location());
        let location =
            chosen_store::meant(&config, &self.common.paths, argument, known).map_err(|failure| NoToken {
                why: failure.message().to_owned(),
                unknown: true,
                ..NoToken::none()
            })?;
        kept.retain(|kept| kept.keeper.location() == location);
        Ok(kept)
    }
}

/// Why an entry of this name or key is left alone, if there is one; and the location of its store.
fn odd(wanted: &str, stores: &[Rc<Kept>]) -> Option<(String, String)> {
    stores.iter().find_map(|kept| {
        let report = kept.keeper.report();
        let (key, why) = report
            .odd
            .into_iter()
            .find(|(key, _)| key == wanted || EntryKey::new(key.as_str()).server_name() == wanted)?;
        let why = remedy::left_alone(EntryKey::new(key.as_str()).server_name(), &why, &report.location);
        Some((why, report.location))
    })
}

fn refused(request: &TokenRequest, refusal: &Refusal, stores: &[Rc<Kept>]) -> NoToken {
    let unknown = *refusal == Refusal::Unknown;
    if let Some((why, store)) = Some(&request.name).filter(|_| unknown).and_then(|name| odd(name, stores)) {
        return NoToken { why, store, ..NoToken::none() };
    }
    let reports: Vec<_> = stores.iter().filter(|_| unknown).map(|kept| kept.keeper.report()).collect();
    // It may well be in there.
    if let Some(why) =
        reports.iter().filter(|report| !report.absent).find_map(|report| report.unreadable.clone())
    {
        let elsewhere = || format!("a store of the agent cannot be read; {}", look_there(&request.name));
        let why = if is_from_elsewhere(request) { elsewhere() } else { why };
        return NoToken { why, unreadable: true, ..NoToken::none() };
    }
    let names = reports.iter().flat_map(|report| &report.entries).map(|entry| entry.name.as_str());
    NoToken { why: refusal_in_words(request, refusal, names), unknown, ..NoToken::none() }
}

/// Why no entry is meant.
pub(crate) fn refusal_in_words<'a>(
    request: &TokenRequest,
    refusal: &Refusal,
    names: impl Iterator<Item = &'a str>,
) -> String {
    let name = visible(&request.name);
    let listed = |texts: &[String]| match texts {
        [] => "no URL".to_owned(),
        texts => texts.iter().map(|text| visible(text)).collect::<Vec<_>>().join(" and "),
    };
    match (refusal, &request.url) {
        (Refusal::Unknown, _) if is_from_elsewhere(request) => {
            format!("the agent has no login for {name}; {}", look_there(&request.name))
        }
        (Refusal::Unknown, _) => {
            // An entry of that very name is one that is passed over.
            no_server_is_called(&request.name, names.filter(|known| *known != request.name))
        }
        (Refusal::OtherServer(urls), url) => format!(
            "the login of {name} is for {}, not for {}; its token is not handed out for another server",
            listed(urls),
            visible(url.as_deref().unwrap_or_default())
        ),
        (Refusal::Ambiguous(several), None) if several.urls.len() > 1 => {
            format!("several servers are called {name}: {}; say which with --url", listed(&several.urls))
        }
        (Refusal::Ambiguous(_), _) if is_from_elsewhere(request) => {
            format!("the agent has several logins for {name}; {}", look_there(&request.name))
        }
        (Refusal::Ambiguous(several), _) => match several.stores.as_slice() {
            [store] => format!(
                "{} has several logins for {name}; give the key of the one you mean instead of the name: {}",
                visible(store),
                several.keys.iter().map(|key| visible(key)).collect::<Vec<_>>().join(" or ")
            ),
            stores => {
                format!("several stores hold a login for {name}: {}; say which with --store", listed(stores))
            }
        },
    }
}

/// Whether it came through the token socket: it learns nothing of other servers, and nothing of stores.
fn is_from_elsewhere(request: &TokenRequest) -> bool {
    request.document.is_none()
}

/// Where to find out more.
fn look_there(name: &str) -> String {
    format!("on its machine, type: mcp-refreshd status {}", shell::quoted(name))
}

impl NoToken {
    fn none() -> Self {
        Self { why: String::new(), unknown: false, unreadable: false, store: String::new() }
    }
}

/// A grant that moved into the vault from another document than the one that is asked for is no nearer than that document.
fn place_in_vault(ledger: &Ledger, key: &str, request: &TokenRequest) -> Place {
    let elsewhere = ledger.of(key).is_some_and(|one| Some(&one.store) != request.document.as_ref());
    if elsewhere { Place::Other } else { Place::Vault }
}

fn place(kept: &Kept, document: Option<&str>) -> Place {
    let own = kept.folder.credentials_path();
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match document.map(Path::new) {
        Some(document) if document == own || real(document) == real(&own) => Place::Own,
        _ => Place::Other,
    }
}

/// How long to wait before it is asked again, if nothing can be handed out before.
fn pause(grant: &AccessGrant, now: Timestamp) -> Option<Duration> {
    grant.pause.filter(|_| has_ended(grant, now)).map(|pause| pause.max(SHORTEST_PAUSE))
}

/// Whether its token cannot do any longer.
fn has_ended(grant: &AccessGrant, now: Timestamp) -> bool {
    grant.expires_at.is_some_and(|end| now.duration_since(end) > LEEWAY)
}

async fn is_refused(kept: &Kept, grant: &AccessGrant) -> bool {
    let (Some(url), Some(token)) = (&grant.url, &grant.token) else { return false };
    timeout(PROBE, kept.network.is_refused(url, token)).await.unwrap_or(false)
}

fn gone(name: &str) -> String {
    format!("the login of {} was removed meanwhile", visible(name))
}

/// The token, if it may still do. `renewed` is how the refresh ended: `None` if it is still running.
fn handed_out(
    kept: &Kept,
    grant: &AccessGrant,
    renewed: Option<Option<RefreshedHow>>,
    now: Timestamp,
) -> Result<HandedOut, String> {
    let (name, running) = (visible(&grant.name), renewed.is_none());
    let needs = || grant.need.as_ref().map(|need| needs_you(need, &grant.name, kept.keeper.location()));
    let detail = |how: RefreshedHow| {
        let ended = Refreshed { name: grant.name.clone(), key: grant.key.to_string(), how };
        done(ended, &kept.keeper.report()).detail
    };
    let Some(token) = &grant.token else {
        return Err(format!("{name} {}", needs().unwrap_or_else(|| "has no access token".to_owned())));
    };
    let expired = has_ended(grant, now);
    let stale = match renewed {
        None => Some("a refresh is running, and the token endpoint is slow".to_owned()),
        Some(Some(RefreshedHow::Fresh | RefreshedHow::NotNeeded | RefreshedHow::Running)) if !expired => None,
        Some(Some(how)) => Some(detail(how)),
        Some(None) if expired => Some(detail(RefreshedHow::NotNeeded)),
        Some(None) => None,
    };
    if expired && !running {
        let why = needs().or(stale).unwrap_or_else(|| "expired".to_owned());
        return Err(format!("no access token for {name}: {}", visible(&why)));
    }
    Ok(HandedOut { token: SecretText::of(token), expires_at: grant.expires_at, stale })
}

fn needs_you(need: &refresh_engine::Need, name: &str, store: &str) -> String {
    format!("needs you: {}; type: {}", remedy::why(need), remedy::what_to_type(need, name, store))
}
