//! Steps 4 to 6 of a transaction: the intent, the one request, its raw answer, and what an answer that is no pair means.

use crate::decide::compare::Expected;
use crate::decide::judge::{CLIENT_DOCUMENT_UNREAD, ask_within_grace, judge, may_vary, of_client};
use crate::decide::narrowing;
use crate::decide::policy::SHORT_LIFE;
use crate::journal::{HealMembers, Intent, TransactionId};
use crate::records::outcome::Outcome;
use crate::records::record::Retry;
use crate::store_access::closing::close;
use crate::store_access::look::note_found;
use crate::store_access::reader::Reading;
use crate::store_access::reading::read_entry;
use crate::store_access::shared::Shared;
use crate::transaction::ended::{Ended, LOCKED_PAUSE, not_savable};
use crate::transaction::grants::Others;
use crate::transaction::obtainment::is_same_grant;
use crate::transaction::request::{first_shape, names_another, request, resource};
use crate::{Client, Endpoint, Event, Expiry, Now, Partners, Seen, Verdict};
use claude_store::{Entry, ExpiresAt, RefreshLock, Store, Version};
use oauth_secret::TokenDigest;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use token_endpoint::{
    Answer, ClientAuth, Metadata, RefreshRequest, RequestShape, SendError, TokenPair, asks_for_client_id,
    guessed_shape, interpret, next_shape,
};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Room set aside in the new document for each refresh in flight.
const ROOM_PER_TRANSACTION: usize = 16 * 1024;

/// A dead-token answer is believed only if the store holds the same token after this: another process may be saving its pair.
const CONFIRM_PAUSE: Duration = Duration::from_secs(3);

/// The first early retry after an answer that was lost, cut, late or a 500. A server without grace has spent the token or has not, and a
/// client asks again at once, too (measured: after a 500 that came after the rotation it keeps the login that way).
const EARLY_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The second, from the first request on: shortly before the end of the shortest grace that was seen (10 s), for it runs from a rotation that
/// came later than that.
const SECOND_RETRY: Duration = Duration::from_secs(8);

/// An intent that became durable this long after it was made is made anew.
const OLD_INTENT: Duration = Duration::from_secs(2);

/// How many other shapes are tried in one transaction.
const MOST_SHAPES: u32 = 2;

/// A request and everything that has to be in order around it.
pub(crate) struct Exchange<'a, P: Partners> {
    pub(crate) shared: &'a Rc<Shared<P>>,
    /// What the store holds.
    pub(crate) seen: &'a Seen,
    /// What is presented: the same, or the remembered entry where a wipe is healed.
    pub(crate) presented: &'a Seen,
    pub(crate) expected: Expected,
    pub(crate) document_size: usize,
    pub(crate) heal: Option<Box<HealMembers>>,
    /// With the `resource` that is known to be taken from this login: see [`for_login`](crate::transaction::request::for_login).
    pub(crate) metadata: Metadata,
    pub(crate) lock: &'a RefreshLock<P::Files>,
    /// The locks of other entries that hold the same token.
    pub(crate) others: &'a Others<P>,
    /// An answer was too big to be one: the next one would be as well.
    pub(crate) oversized: Cell<bool>,
    pub(crate) id: Option<TransactionId>,
    /// What was lost is worth asking for once more while a grace of seconds lasts.
    pub(crate) within_grace: bool,
}

/// Why a token may not be presented, now or once more.
enum NotPresented {
    LockLost(String),
    NotSavable(String),
}

impl<P: Partners> Exchange<'_, P> {
    pub(crate) fn presented_digest(&self) -> TokenDigest {
        // Whoever gets here was planned with a refresh token; the digest of nothing matches no token.
        self.presented.refresh.unwrap_or_else(|| TokenDigest::of(""))
    }

    fn intent(&self) -> Intent {
        Intent {
            store: self.shared.location().to_owned(),
            key: self.seen.entry.key.to_string(),
            presented: self.presented_digest(),
            expected: self.expected,
            at: self.shared.now().wall,
            lock: Some(self.lock.identity()),
            other_locks: self.others.for_journal(),
            heal: self.heal.clone(),
        }
    }

    /// Step 4: room for the new document and for the answer, and a durable intent. Nothing was sent when this fails.
    pub(crate) async fn prepare(&mut self) -> Result<(), Ended> {
        let begun = self.shared.now().wall;
        let size = self.document_size + ROOM_PER_TRANSACTION * self.shared.in_flight.get();
        let prepared = match self.shared.store.reserve(size).await {
            Ok(()) => match self.shared.journal.intend(self.intent()) {
                Ok(id) => {
                    self.id = Some(id);
                    self.shared.journal.sync().await.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        };
        let mut ready = prepared.map_err(NotPresented::NotSavable).and_then(|()| self.still_locked());
        // The machine may have slept meanwhile, or the disk taken its time: should the daemon die now, what counts is when it was sent.
        if ready.is_ok() && self.shared.now().age_of(begun) > OLD_INTENT {
            ready = self.present_again().await;
        }
        ready.map_err(|why| self.give_up(why))
    }

    /// The medium may have taken its time with the intent, and a client that refreshes without the lock has not waited for it: the token
    /// would be spent by now. Where nobody but a [`FolderWatch`](claude_store::FolderWatch) tells of changes, looking costs a `stat`;
    /// elsewhere it takes long itself.
    pub(crate) async fn still_as_read(&self, version: Version) -> Result<(), Ended> {
        let store = &self.shared.store;
        let unchanged =
            store.look_again_in().is_some() || store.version().await.is_ok_and(|now| now == version);
        if unchanged || !self.replaced().await {
            return Ok(());
        }
        self.close();
        let now = self.shared.now();
        self.shared.change_record(&self.seen.entry.key, |record| {
            record.note(now.wall, Outcome::Adopted, "another process changed it first");
        });
        Err(Ended::NotNeeded)
    }

    fn still_locked(&self) -> Result<(), NotPresented> {
        self.lock.still_ours().map_err(|lost| NotPresented::LockLost(lost.to_string()))
    }

    /// The end of a transaction that may not present its token, and of which nothing is unknown.
    fn give_up(&self, why: NotPresented) -> Ended {
        self.close();
        match why {
            NotPresented::LockLost(why) => {
                let now = self.shared.now();
                self.shared.change_record(&self.seen.entry.key, |record| {
                    record.retry = Some(Retry::after(now, LOCKED_PAUSE));
                });
                Ended::Locked(why)
            }
            NotPresented::NotSavable(why) => not_savable(self.shared, self.seen, why),
        }
    }

    fn close(&self) {
        if let Some(id) = self.id {
            self.shared.journal.done(id);
        }
    }

    /// Steps 5 and 6, again where another way to say who the client is may be wanted (a server looks at that before it looks at the token),
    /// where another shape of the request is wanted and may be tried ([`may_vary`]), and once where it was left open what became of the
    /// token (I1).
    pub(crate) async fn run(&mut self) -> Result<(Answer, Now), Ended> {
        let (mut shape, known_auth) = self.shared.read_record(&self.seen.entry.key, |record| {
            (first_shape(record, self.presented, &self.metadata), record.auth)
        });
        let mut ways = self.ways_to_authenticate(known_auth);
        let asks_scope = shape.scope && self.shared.read_record(&self.seen.entry.key, narrowing::asks);
        let mut refused = Vec::new();
        let has_scope = self.presented.entry.scope.as_ref().is_some_and(|scope| !scope.trim().is_empty());
        let names_another = names_another(&self.metadata, &self.presented.entry);
        let (mut lost, mut changes, mut first) = (None, 0, None);
        loop {
            let auth = ways.front().copied().unwrap_or(ClientAuth::None);
            let began = Instant::now();
            let (mut answer, sent_at) = self.send(shape, auth).await;
            let other = next_shape(shape, &answer, has_scope, names_another);
            if self.wants_the_id_beside(&answer, auth) && !ways.contains(&ClientAuth::BasicAndId) {
                ways.push_back(ClientAuth::BasicAndId);
            }
            // What was refused a moment ago is refused again.
            let untried = other.filter(|other| !refused.contains(other));
            if is_about_the_client(&answer, auth) && ways.len() > 1 {
                ways.pop_front();
            } else if let Some(other) = untried.filter(|_| changes < MOST_SHAPES && self.may_vary()) {
                refused.push(shape);
                shape = other;
                changes += 1;
            } else if let Some(pause) = self.ask_again_after(&answer, first) {
                first.get_or_insert(began);
                let before = lost.get_or_insert((answer, sent_at)).clone();
                tokio::time::sleep(pause).await;
                if self.replaced().await {
                    return Ok(before);
                }
            } else {
                if let Answer::Fresh(pair) = &mut answer {
                    self.complete(pair, sent_at);
                }
                self.note_shape(shape, auth, other, &answer, asks_scope);
                self.within_grace = may_pass(&answer) && !self.was_left_open() && !self.oversized.get();
                // What the second request was told says nothing of the first, unless it settles what became of the token.
                let settled =
                    matches!(answer, Answer::Fresh(_) | Answer::Dead { .. } | Answer::ClientDead { .. });
                return Ok(lost.filter(|_| !settled).unwrap_or((answer, sent_at)));
            }
            match (self.present_again().await, lost.take()) {
                (Ok(()), before) => lost = before,
                // The first request stays what it was.
                (Err(_), Some(before)) => return Ok(before),
                (Err(why), None) => return Err(self.give_up(why)),
            }
        }
    }

    /// How the client may say who it is: as it went well before, then as the server may want it.
    fn ways_to_authenticate(&self, known: Option<ClientAuth>) -> VecDeque<ClientAuth> {
        let entry = &self.presented.entry;
        let ways = ClientAuth::to_try(
            &self.metadata.auth_methods,
            entry.client_id.as_deref(),
            entry.client_secret.as_ref(),
        );
        let mut ways = VecDeque::from(ways);
        let has_secret = entry.client_secret.is_some();
        let possible =
            |known: &ClientAuth| ways.contains(known) || has_secret && *known == ClientAuth::BasicAndId;
        if let Some(known) = known.filter(possible) {
            ways.retain(|way| *way != known);
            ways.push_front(known);
        }
        ways
    }

    /// Whether the server misses in the body the id that stood in the header (mcp 2.3.0), and is to get it there, once nothing else helped.
    fn wants_the_id_beside(&self, answer: &Answer, auth: ClientAuth) -> bool {
        matches!(auth, ClientAuth::Basic | ClientAuth::BasicPlain)
            && asks_for_client_id(answer)
            && self.client_id().is_some()
    }

    /// How soon one more request may bring what this one did not. `first` is when the first one was sent whose answer left it open what became
    /// of the token; since then it matters little whether a connection breaks or none can be made.
    fn ask_again_after(&self, answer: &Answer, first: Option<Instant>) -> Option<Duration> {
        if self.oversized.get() {
            return None;
        }
        let stopping = self.shared.stopping.get();
        let Some(first) = first else {
            // A stop does not wait for a server that was slow already.
            let asks = matches!(answer, Answer::Ambiguous { lost, .. } if *lost || !stopping);
            return asks.then_some(EARLY_RETRY_PAUSE);
        };
        // What was open before is not asked for so often, be it that a server has been failing for long.
        let goes_on = may_pass(answer)
            && !self.was_left_open()
            && (!stopping || !matches!(answer, Answer::Ambiguous { lost: false, .. }));
        SECOND_RETRY.checked_sub(first.elapsed()).filter(|pause| goes_on && !pause.is_zero())
    }

    /// Whether an earlier transaction ended with nobody knowing what became of this token.
    fn was_left_open(&self) -> bool {
        let key = &self.seen.entry.key;
        self.shared.read_record(key, |record| matches!(record.verdict, Verdict::Ambiguous { .. }))
    }

    fn may_vary(&self) -> bool {
        let now = self.shared.now();
        may_vary(self.shared.read_record(&self.seen.entry.key, |record| self.seen.left(now, record)))
    }

    /// Remembers what this server takes, or what the next request to it is to look like.
    fn note_shape(
        &self,
        shape: RequestShape,
        auth: ClientAuth,
        other: Option<RequestShape>,
        answer: &Answer,
        asks_scope: bool,
    ) {
        let news = self.shared.change_record(&self.seen.entry.key, |record| {
            let known = record.narrowing.clone();
            narrowing::note(record, shape, asks_scope, answer);
            let before = record.shape;
            match answer {
                Answer::Fresh(_) => {
                    let sent = || resource(&self.metadata, &self.presented.entry, shape.own_url);
                    record.resource = shape.resource.then(sent);
                    // A scope that nobody demands and that brought nothing is not named again.
                    let in_vain = asks_scope && record.narrowing.is_some();
                    record.shape = RequestShape { scope: shape.scope && !in_vain, ..shape };
                    record.auth = Some(auth);
                    record.trying = None;
                }
                // What is known to go well is what comes after an experiment.
                Answer::Dead { .. } | Answer::ClientDead { .. } | Answer::Refused { .. } if asks_scope => {
                    record.trying = Some(before);
                }
                Answer::Refused { .. } => record.trying = other.or_else(|| guessed_shape(shape, answer)),
                _ => {}
            }
            record.narrowing.clone().filter(|narrowing| known.as_ref() != Some(narrowing))
        });
        if let Some(narrowing) = news {
            self.shared.tell(self.seen, Event::Narrowed { narrowing });
        }
    }

    async fn send(&self, shape: RequestShape, auth: ClientAuth) -> (Answer, Now) {
        let sent_at = self.shared.now();
        self.shared.change_record(&self.seen.entry.key, |record| record.sent_at = Some(sent_at.wall));
        let client_id = self.client_id();
        let login_scope = self.shared.read_record(&self.seen.entry.key, |record| record.login_scope.clone());
        let request = RefreshRequest {
            scope: login_scope.or_else(|| self.presented.entry.scope.clone()),
            ..request(self.presented, &self.metadata, client_id.clone(), shape, auth)
        };
        let awaited = self.shared.committer.await_answer();
        let answer = self.shared.endpoint.send(&request).await;
        drop(awaited);
        match answer {
            Ok(raw) => {
                if let Some(id) = self.id
                    && let Err(error) = self.shared.journal.answer(id, sent_at.wall, &raw)
                {
                    // The answer goes on to the store all the same: there it is safe as well.
                    self.shared.state_trouble(&error);
                }
                (of_client(interpret(&raw, self.shared.now().wall), client_id.as_deref()), sent_at)
            }
            Err(error) => {
                self.oversized.set(matches!(error, SendError::TooBig { .. }));
                (Answer::from(error), sent_at)
            }
        }
    }

    /// Adds to an answer what it leaves out and earlier ones said. A server that named a lifetime at the login and names none now gives no
    /// token without an end: without `expiresAt` the client would use it until it is refused.
    fn complete(&self, pair: &mut TokenPair, sent_at: Now) {
        let claims = Seen::new(Entry {
            access_token: Some(pair.access_token.clone()),
            expires_at: ExpiresAt::Absent,
            ..Entry::named(self.seen.entry.key.clone())
        });
        self.shared.read_record(&self.seen.entry.key, |record| {
            let named_before = matches!(self.presented.expiry, Expiry::At(_));
            if pair.expires_in.is_none() && claims.expiry == Expiry::Unknown && named_before {
                // One that was first seen shortly before its end says nothing of the next one's life.
                pair.expires_in = record.lifetime().filter(|life| *life >= SHORT_LIFE);
            }
            if pair.refresh_token.is_none() && pair.refresh_expires_in.is_none() {
                let lapses = record.refresh_token_expires_at.map(|at| at.duration_since(sent_at.wall));
                pair.refresh_expires_in = lapses.and_then(|left| Duration::try_from(left).ok());
            }
        });
    }

    /// The entry's client; where it names none, the one that the user configured for the server, as for the client itself.
    fn client_id(&self) -> Option<String> {
        let entry = &self.presented.entry;
        entry.client_id.clone().filter(|id| !id.is_empty()).or_else(|| {
            self.shared.client.client_id(&entry.server_name, entry.server_url.as_deref().unwrap_or_default())
        })
    }

    /// A new durable intent: should the daemon die now, the answer so far must not count for the next request.
    async fn present_again(&self) -> Result<(), NotPresented> {
        self.still_locked()?;
        let Some(id) = self.id else { return Ok(()) };
        let again = match self.shared.journal.intend_again(id, self.intent()) {
            Ok(()) => self.shared.journal.sync().await,
            Err(error) => Err(error),
        };
        again.map_err(|error| NotPresented::NotSavable(error.to_string()))
    }

    /// True where the store no longer holds what was presented: somebody else refreshed, logged in or removed the entry.
    async fn replaced(&self) -> bool {
        match read_entry(self.shared, &self.seen.entry.key).await {
            Ok(Reading { seen: Some(found), .. }) => {
                let replaced = Expected::of(&found) != self.expected;
                if replaced {
                    note_found(self.shared, &found);
                }
                replaced
            }
            Ok(Reading { seen: None, .. }) => true,
            Err(_) => false,
        }
    }

    /// The refresh token that somebody else got and stored while our own request may have brought another one, which nobody heard of. Not
    /// that of a login, which empties the entry first, and of which nothing tells where nothing tells of changes.
    fn contested(&self) -> Option<TokenDigest> {
        let blind = self.shared.store.look_again_in().is_some();
        self.shared.track(&self.seen.entry.key, |known| {
            let found = known.current.as_ref().filter(|found| is_same_grant(self.presented, found))?;
            found
                .refresh
                .filter(|refresh| !blind && !known.emptied && Some(*refresh) != self.presented.refresh)
        })
    }

    /// An answer that is no pair: what it means, once it is believed.
    pub(crate) async fn conclude(&self, answer: &Answer, sent_at: Now) -> Ended {
        let shared = self.shared;
        let key = &self.seen.entry.key;
        let believed = match answer {
            Answer::Dead { .. } | Answer::ClientDead { .. } => {
                if self.replaced().await {
                    false
                } else {
                    tokio::time::sleep(CONFIRM_PAUSE).await;
                    !self.replaced().await
                }
            }
            Answer::Ambiguous { .. } => !self.replaced().await,
            _ => true,
        };
        let now = shared.now();
        if !believed {
            let contested = matches!(answer, Answer::Ambiguous { .. }).then(|| self.contested()).flatten();
            shared.change_record(key, |record| {
                record.contested = contested.or(record.contested);
                record.note(now.wall, Outcome::Adopted, "another process refreshed it meanwhile");
            });
            self.close();
            return Ended::NotNeeded;
        }
        let heals = self.heal.is_some();
        let (outcome, detail, retry_in) = shared.change_record(key, |record| {
            let left = self.seen.left(now, record);
            let standing = record.clone();
            let (outcome, detail) = judge(record, now, self.presented_digest(), left, answer);
            if outcome == Outcome::Ambiguous && self.within_grace {
                ask_within_grace(record, now, sent_at.wall);
            }
            if heals {
                // The stub has no refresh token that a verdict could speak of; that it was tried is all there is to remember.
                record.verdict = standing.verdict;
                if !matches!(outcome, Outcome::Transient | Outcome::Unsent) {
                    record.heal_tried = self.presented.refresh;
                }
            }
            (outcome, detail, record.retry.map(|retry| retry.left(now)))
        });
        if matches!(outcome, Outcome::Transient | Outcome::Unsent) {
            self.close();
        } else {
            // I1: what was answered may leave the journal only when the record that says the same is durable, or the next daemon
            // would present the token again.
            close(shared, self.id, true).await;
        }
        let fingerprint = self.presented.refresh.map(|refresh| refresh.fingerprint());
        let (before, now) = (fingerprint, fingerprint);
        let (lifetime, expires_at) = (None, None);
        let told = detail.clone();
        let ended = Event::Ended { outcome, detail: told, before, now, lifetime, expires_at, retry_in };
        shared.tell(self.seen, ended);
        Ended::Failed(outcome, detail)
    }
}

/// Whether the server did not believe who the client is: by its word, or by a 401 without one (RFC 6749, section 5.2). A server has to know
/// the client before it can look at a token that is bound to it, so the token is unspent.
fn is_about_the_client(answer: &Answer, auth: ClientAuth) -> bool {
    let in_header = matches!(auth, ClientAuth::Basic | ClientAuth::BasicPlain);
    matches!(answer, Answer::ClientDead { .. })
        || in_header && asks_for_client_id(answer)
        || matches!(answer, Answer::Refused { code, .. } if code == "http_401" || code == CLIENT_DOCUMENT_UNREAD)
}

/// Whether what kept an answer away may be over in seconds, and nobody asked for a pause.
fn may_pass(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::Ambiguous { .. } | Answer::Unsent { .. } | Answer::Transient { retry_after: None, .. }
    )
}

/// Gives the reserved room back when the last transaction ends, however it ends.
pub(crate) struct InFlight<'a, P: Partners>(pub(crate) &'a Shared<P>);

impl<P: Partners> Drop for InFlight<'_, P> {
    fn drop(&mut self) {
        let others = self.0.in_flight.get().saturating_sub(1);
        self.0.in_flight.set(others);
        if others == 0 {
            self.0.store.release_reservation();
        }
    }
}

pub(crate) fn heal_members(remembered: &Seen) -> HealMembers {
    let entry = &remembered.entry;
    let refresh_token = entry.refresh_token.as_ref().map_or(String::new(), |token| token.expose().to_owned());
    HealMembers {
        client_id: entry.client_id.clone(),
        issuer: entry.issuer.clone(),
        redirect_uri: entry.redirect_uri.clone(),
        scope: entry.scope.clone(),
        refresh_token: Zeroizing::new(refresh_token),
    }
}
