//! Steps 4 to 6 of a transaction: the intent, the one request and its raw answer.

use crate::decide::apply_answer::{may_vary, of_client};
use crate::decide::authentication::{is_about_the_client, misses_the_id, ways_to_authenticate};
use crate::decide::compare::Expected;
use crate::decide::early_retry::{ask_again_after, may_pass};
use crate::decide::narrowing;
use crate::journal::{HealMembers, Intent, TransactionId};
use crate::records::outcome::Outcome;
use crate::records::record::Retry;
use crate::store_access::reader::Reading;
use crate::store_access::reading::read_entry;
use crate::store_access::scan::note_found;
use crate::store_access::shared::Shared;
use crate::transaction::end::{LOCKED_PAUSE, TransactionEnd, not_savable};
use crate::transaction::grants::Others;
use crate::transaction::obtained_pair::complete;
use crate::transaction::request::{first_shape, names_another, request, resource};
use crate::{Client, Endpoint, Event, Now, ObservedEntry, Partners, Verdict};
use claude_store::{RefreshLock, Store, Version};
use oauth_secret::TokenDigest;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use token_endpoint::{
    Answer, ClientAuth, Metadata, RefreshRequest, RequestShape, SendError, guessed_shape, interpret,
    next_shape,
};
use tokio::time::Instant;

/// Room set aside in the new document for each refresh in flight.
const ROOM_PER_TRANSACTION: usize = 16 * 1024;

/// An intent that became durable this long after it was made is made anew.
const OLD_INTENT: Duration = Duration::from_secs(2);

/// How many other shapes are tried in one transaction.
const MOST_SHAPES: u32 = 2;

/// A request and everything that has to be in order around it.
pub(crate) struct Exchange<'a, P: Partners> {
    pub(crate) shared: &'a Rc<Shared<P>>,
    /// What the store holds.
    pub(crate) seen: &'a ObservedEntry,
    /// What is presented: the same, or the remembered entry where a wipe is healed.
    pub(crate) presented: &'a ObservedEntry,
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
    pub(crate) async fn prepare(&mut self) -> Result<(), TransactionEnd> {
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
    pub(crate) async fn still_as_read(&self, version: Version) -> Result<(), TransactionEnd> {
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
        Err(TransactionEnd::NotNeeded)
    }

    fn still_locked(&self) -> Result<(), NotPresented> {
        self.lock.still_ours().map_err(|lost| NotPresented::LockLost(lost.to_string()))
    }

    /// The end of a transaction that may not present its token, and of which nothing is unknown.
    fn give_up(&self, why: NotPresented) -> TransactionEnd {
        self.close();
        match why {
            NotPresented::LockLost(why) => {
                let now = self.shared.now();
                self.shared.change_record(&self.seen.entry.key, |record| {
                    record.retry = Some(Retry::after(now, LOCKED_PAUSE));
                });
                TransactionEnd::Locked(why)
            }
            NotPresented::NotSavable(why) => not_savable(self.shared, self.seen, why),
        }
    }

    pub(super) fn close(&self) {
        if let Some(id) = self.id {
            self.shared.journal.done(id);
        }
    }

    /// Steps 5 and 6, again where another way to say who the client is may be wanted (a server looks at that before it looks at the token),
    /// where another shape of the request is wanted and may be tried ([`may_vary`]), and once where it was left open what became of the
    /// token (I1).
    pub(crate) async fn run(&mut self) -> Result<(Answer, Now), TransactionEnd> {
        let (mut shape, known_auth) = self.shared.read_record(&self.seen.entry.key, |record| {
            (first_shape(record, self.presented, &self.metadata), record.auth)
        });
        let mut ways = ways_to_authenticate(&self.metadata, &self.presented.entry, known_auth);
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
            if misses_the_id(&answer, auth)
                && self.client_id().is_some()
                && !ways.contains(&ClientAuth::BasicAndId)
            {
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
                    self.shared.read_record(&self.seen.entry.key, |record| {
                        complete(pair, self.presented, sent_at, record)
                    });
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

    fn ask_again_after(&self, answer: &Answer, first: Option<Instant>) -> Option<Duration> {
        if self.oversized.get() {
            return None;
        }
        let since_first = first.map(|first| first.elapsed());
        ask_again_after(answer, since_first, || self.was_left_open(), self.shared.stopping.get())
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
    pub(super) async fn replaced(&self) -> bool {
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
}
