//! Access tokens as the stores hold them, where no agent answers. Takes no lock and changes nothing.

use super::choose::{Candidate, Place, Refusal, choose};
use super::{LEEWAY, place_in_vault, refusal_in_words};
use crate::agent::chosen_store;
use crate::agent::stores::{self, storage_folders};
use crate::agent::vault::ledger::Ledger;
use crate::agent::vault::{self, Vault};
use crate::control::protocol::{HandedOut, TokenRequest};
use crate::control::secret_text::SecretText;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy::left_alone;
use claude_store::{Entry, ReadError, Store};
use jiff::{SignedDuration, Timestamp};
use oauth_secret::TokenDigest;
use refresh_engine::{MARGIN_FLOOR, Need, ObservedEntry};

/// The entry that is meant, as it was read.
#[derive(Debug)]
pub(crate) struct OnDisk {
    seen: ObservedEntry,
    /// The location of its store.
    pub(crate) store: String,
}

/// Finds the entry that is meant.
///
/// # Errors
/// No entry is meant, or a store that may hold it cannot be read.
pub(crate) async fn find(config: &Config, paths: &Paths, request: &TokenRequest) -> Result<OnDisk, Failure> {
    let mut found = Vec::new();
    let (mut names, mut unreadable, mut odd, mut closed) = (Vec::new(), None, None, None);
    let mut opened = Vec::new();
    for folder in storage_folders(config, paths) {
        let store = stores::open(config, paths, &folder, &|_| false).await.store;
        let own = request.document.as_deref() == folder.credentials_path().to_str();
        opened.push((if own { Place::Own } else { Place::Other }, store));
    }
    match Vault::open(config, paths) {
        Ok(vault) => opened.extend(vault.map(|vault| (Place::Vault, vault.store))),
        Err(error) => closed = Some(error.to_string()).filter(|_| request.store.is_none()),
    }
    if let Some(argument) = &request.store {
        let known = opened.iter().map(|(_, store)| store.location());
        let location = chosen_store::meant(config, paths, argument, known)?;
        opened.retain(|(_, store)| store.location() == location);
    }
    // One that cannot be read was told about with the vault.
    let ledger = Ledger::load(&vault::folder(paths)).unwrap_or_default();
    for (place, store) in opened {
        let location = store.location();
        let snapshot = match store.read().await {
            Ok(snapshot) => snapshot,
            Err(ReadError::Absent { .. }) => continue,
            Err(error) => {
                unreadable = Some(error.to_string());
                continue;
            }
        };
        let document = match snapshot.document() {
            Ok(document) => document,
            Err(error) => {
                unreadable = Some(format!("{location}: {error}"));
                continue;
            }
        };
        names.extend(document.entries().map(|entry| entry.server_name.clone()));
        let is_named = |name: &str, key: &str| name == request.name.as_str() || key == request.name.as_str();
        for problem in document.problems() {
            if is_named(problem.key.server_name(), problem.key.as_str()) {
                odd = Some(left_alone(problem.key.server_name(), &problem.why.to_string(), location));
            }
        }
        let named = |entry: &&Entry| {
            is_named(&entry.server_name, entry.key.as_str()) && !ledger.left(location, entry)
        };
        for entry in document.entries().filter(named) {
            let candidate = Candidate {
                key: entry.key.to_string(),
                name: entry.server_name.clone(),
                url: entry.server_url.clone(),
                store: location.to_owned(),
                place: match place {
                    Place::Vault => place_in_vault(&ledger, entry.key.as_str(), request),
                    Place::Own | Place::Other => place,
                },
                has_token: entry.access_token.is_some(),
            };
            let seen = ObservedEntry::new(entry.clone());
            found.push((candidate, OnDisk { seen, store: location.to_owned() }));
        }
    }
    let candidates: Vec<_> = found.iter().map(|(candidate, _)| candidate.clone()).collect();
    let chosen = choose(&request.name, request.url.as_deref(), &candidates);
    // What is left there of a login that may be in the vault.
    if let (Ok(index), Some(why)) = (&chosen, &closed)
        && found.get(*index).is_some_and(|(_, found)| found.is_stub())
    {
        return Err(Failure::new(Exit::Unreadable, why.as_str()));
    }
    match (chosen, unreadable.or(closed)) {
        (Ok(index), _) => found
            .into_iter()
            .nth(index)
            .map(|(_, found)| found)
            .ok_or_else(|| Failure::new(Exit::Person, "the store changed while it was read; try again")),
        // It may well be in there.
        (Err(_), Some(why)) if found.is_empty() => Err(Failure::new(Exit::Unreadable, why)),
        (Err(Refusal::Unknown), None) if odd.is_some() => {
            Err(Failure::new(Exit::Person, odd.unwrap_or_default()))
        }
        (Err(refusal), _) => {
            let why = refusal_in_words(request, &refusal, names.iter().map(String::as_str));
            Err(Failure::new(if found.is_empty() { Exit::Usage } else { Exit::Person }, why))
        }
    }
}

impl OnDisk {
    pub(crate) fn key(&self) -> &str {
        self.seen.entry.key.as_str()
    }

    pub(crate) fn name(&self) -> &str {
        &self.seen.entry.server_name
    }

    fn is_stub(&self) -> bool {
        self.seen.entry.is_stub()
    }

    /// Which token it is.
    pub(crate) fn token(&self) -> Option<TokenDigest> {
        self.seen.access
    }

    /// Whether it is good for long enough to be handed out without a refresh.
    pub(crate) fn is_enough(&self, now: Timestamp) -> bool {
        let floor = SignedDuration::try_from(MARGIN_FLOOR).unwrap_or_default();
        self.token().is_some() && self.left(now).is_none_or(|left| left > floor)
    }

    /// Whether it has not expired.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        self.token().is_some() && self.left(now).is_none_or(|left| left > SignedDuration::ZERO)
    }

    /// Whether it may still do.
    pub(crate) fn may_do(&self, now: Timestamp) -> bool {
        self.token().is_some() && self.left(now).is_none_or(|left| left > -LEEWAY)
    }

    fn left(&self, now: Timestamp) -> Option<SignedDuration> {
        self.seen.expiry.moment().map(|end| end.duration_since(now))
    }

    /// What only the user can do, as far as the entry shows it.
    pub(crate) fn need(&self) -> Option<Need> {
        match (self.seen.refresh, self.seen.entry.is_stub()) {
            (Some(_), _) => None,
            (None, true) => Some(Need::Stub),
            (None, false) => Some(Need::NoRefreshToken),
        }
    }

    /// The token, as a running agent would hand it out.
    pub(crate) fn handed_out(&self, stale: Option<String>) -> Option<HandedOut> {
        let token = SecretText::of(self.seen.entry.access_token.as_ref()?);
        Some(HandedOut { token, expires_at: self.seen.expiry.moment(), stale })
    }
}
