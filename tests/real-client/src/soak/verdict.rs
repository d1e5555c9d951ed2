//! What the scripted server's log says of a soak: it is the judge.

use crate::traffic::{is_by_agent, is_refresh};
use scripted_server::{Entry, Outcome};
use std::fmt;

/// After an answer was sent its receiver needs a moment to take it in: who is killed within it has not got the answer. In microseconds.
const TAKEN_IN: u64 = 100_000;

/// When processes were killed, in microseconds since the epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Deaths {
    pub(super) clients: Vec<u64>,
    pub(super) daemon: Vec<u64>,
}

/// A grant for which the person had to log in again.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    /// The server's name.
    pub(super) server: String,
    /// The grant: each has a client of its own.
    pub(super) client_id: String,
    /// When the store first held nothing that works, in microseconds since the epoch.
    pub(super) since_us: u64,
    /// When the person logged in again.
    pub(super) until_us: u64,
}

/// Who presented a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Agent,
    Client,
}

impl Who {
    fn of(entry: &Entry) -> Self {
        if is_by_agent(entry) { Self::Agent } else { Self::Client }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Agent => "the agent",
            Self::Client => "a client",
        })
    }
}

/// Why a grant was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It was killed between its request and the answer, which nobody else can receive.
    Killed(Who),
    /// Two presented one refresh token; the first had its answer.
    Twice(Who, Who),
    /// The answer came, and the store does not hold the pair.
    NotSaved(Who),
    /// Nobody refreshed it.
    Untouched,
}

impl Cause {
    /// Whether no agent could have prevented it: there the answer died with the agent itself.
    pub(super) fn is_excused(self) -> bool {
        self == Self::Killed(Who::Agent)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed(who) => write!(formatter, "{who} was killed between its request and the answer"),
            Self::Twice(first, second) => {
                write!(formatter, "a refresh token spent by {first} was presented again by {second}")
            }
            Self::NotSaved(who) => write!(formatter, "what {who} was answered is not in the store"),
            Self::Untouched => formatter.write_str("the store lost it without a refresh"),
        }
    }
}

/// The refreshes of one grant, in the order of arrival.
pub(super) fn refreshes_of<'a>(log: &'a [Entry], client_id: &str) -> Vec<&'a Entry> {
    let of_grant = |entry: &&Entry| is_refresh(entry) && entry.field("client_id") == Some(client_id);
    log.iter().filter(of_grant).collect()
}

/// Why this grant was lost.
pub(super) fn cause(log: &[Entry], deaths: &Deaths, loss: &Loss) -> Cause {
    let requests = refreshes_of(log, &loss.client_id);
    let again = requests.iter().find(|entry| entry.outcome == Outcome::Reuse);
    let spent = again.and_then(|again| again.field("refresh_token"));
    let spender = requests.iter().rev().find(|entry| {
        entry.outcome == Outcome::Fresh
            && spent.is_none_or(|spent| entry.field("refresh_token") == Some(spent))
    });
    // A slow server may take the request of somebody who is dead after that of their successor.
    let killed = [spender, again].into_iter().flatten().find(|entry| is_cut(entry, deaths));
    match (killed, spender, again) {
        // Both were on their way at the same time: whoever was killed then, this was enough.
        (Some(_), Some(first), Some(again))
            if Who::of(first) == Who::Client
                && Who::of(again) == Who::Client
                && first.finished_us.is_none_or(|finished| again.received_us < finished) =>
        {
            Cause::Twice(Who::Client, Who::Client)
        }
        (Some(killed), _, _) => Cause::Killed(Who::of(killed)),
        (None, Some(first), Some(again)) => Cause::Twice(Who::of(first), Who::of(again)),
        (None, Some(first), None) => Cause::NotSaved(Who::of(first)),
        (None, None, _) => Cause::Untouched,
    }
}

/// Whether somebody of this kind was killed while the request was on its way.
fn is_cut(entry: &Entry, deaths: &Deaths) -> bool {
    let kills = match Who::of(entry) {
        Who::Agent => &deaths.daemon,
        Who::Client => &deaths.clients,
    };
    let until = entry.finished_us.map_or(u64::MAX, |finished| finished + TAKEN_IN);
    kills.iter().any(|kill| (entry.received_us..=until).contains(kill))
}

/// Counts over the log, for one kind of asker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Refreshes asked for.
    pub(super) requests: usize,
    /// Those that were answered with a new pair.
    pub(super) refreshes: usize,
    /// Spent refresh tokens presented.
    pub(super) reuses: usize,
}

impl Asked {
    pub(super) fn by(who: Who, log: &[Entry]) -> Self {
        let mut asked = Self::default();
        for entry in log.iter().filter(|entry| is_refresh(entry) && Who::of(entry) == who) {
            asked.requests += 1;
            asked.refreshes += usize::from(entry.outcome == Outcome::Fresh);
            asked.reuses += usize::from(entry.outcome == Outcome::Reuse);
        }
        asked
    }
}

/// Whether what a client said of a server between these moments goes back to one of these losses.
pub(super) fn goes_back_to<'a>(
    losses: impl IntoIterator<Item = &'a Loss>,
    server: &str,
    began_us: u64,
    ended_us: u64,
) -> bool {
    losses
        .into_iter()
        .any(|loss| loss.server == server && began_us <= loss.until_us && loss.since_us <= ended_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scripted_server::Kind;

    const AGENT: &str = "mcp-refreshd/0.1.0";
    const CLIENT: &str = "claude-code/2.0.30";

    /// A refresh of one grant that is on its way from the second `at` for one second.
    fn refresh(user_agent: &str, refresh_token: &str, at: u64, outcome: Outcome) -> Entry {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Entry {
            number: 0,
            connection: 0,
            site: "north".to_owned(),
            kind: Kind::Token,
            method: "POST".to_owned(),
            path: "/north/token".to_owned(),
            user_agent: user_agent.to_owned(),
            authorization: None,
            form: vec![
                field("grant_type", "refresh_token"),
                field("refresh_token", refresh_token),
                field("client_id", "cl_1"),
            ],
            received_us: at * 1_000_000,
            decided_us: Some(at * 1_000_000 + 500_000),
            finished_us: Some((at + 1) * 1_000_000),
            outcome,
            detail: String::new(),
            status: Some(200),
        }
    }

    fn loss(since: u64, until: u64) -> Loss {
        Loss {
            server: "north".to_owned(),
            client_id: "cl_1".to_owned(),
            since_us: since * 1_000_000,
            until_us: until * 1_000_000,
        }
    }

    fn deaths(clients: &[u64], daemon: &[u64]) -> Deaths {
        Deaths { clients: clients.to_vec(), daemon: daemon.to_vec() }
    }

    #[test]
    fn two_that_present_one_token_lose_it_and_nobody_is_excused() {
        let log = [
            refresh(AGENT, "rt_0", 1, Outcome::Fresh),
            refresh(CLIENT, "rt_1", 10, Outcome::Fresh),
            refresh(AGENT, "rt_1", 11, Outcome::Reuse),
        ];
        let found = cause(&log, &deaths(&[1_500_000], &[20_000_000]), &loss(11, 26));
        assert_eq!(found, Cause::Twice(Who::Client, Who::Agent));
        assert!(!found.is_excused());
    }

    #[test]
    fn an_agent_that_was_killed_before_its_answer_is_excused() {
        let log = [refresh(AGENT, "rt_0", 10, Outcome::Fresh), refresh(AGENT, "rt_0", 13, Outcome::Reuse)];
        for killed in [10_000_000, 10_700_000, 11_050_000] {
            let found = cause(&log, &deaths(&[], &[killed]), &loss(13, 28));
            assert_eq!(found, Cause::Killed(Who::Agent));
            assert!(found.is_excused());
        }
        for killed in [9_900_000, 11_200_000] {
            assert_eq!(
                cause(&log, &deaths(&[], &[killed]), &loss(13, 28)),
                Cause::Twice(Who::Agent, Who::Agent)
            );
        }
    }

    #[test]
    fn the_request_of_a_dead_agent_that_is_taken_last_is_an_excuse_too() {
        let mut late = refresh(AGENT, "rt_0", 10, Outcome::Reuse);
        late.finished_us = Some(14_500_000);
        let log = [late, refresh(AGENT, "rt_0", 12, Outcome::Fresh)];
        assert_eq!(cause(&log, &deaths(&[], &[10_200_000]), &loss(14, 29)), Cause::Killed(Who::Agent));
    }

    #[test]
    fn the_death_of_a_client_does_not_excuse_the_agent_nor_the_other_way_round() {
        let by_client = [refresh(CLIENT, "rt_0", 10, Outcome::Fresh)];
        let found = cause(&by_client, &deaths(&[10_500_000], &[]), &loss(11, 26));
        assert_eq!(found, Cause::Killed(Who::Client));
        assert!(!found.is_excused());
        assert_eq!(
            cause(&by_client, &deaths(&[], &[10_500_000]), &loss(11, 26)),
            Cause::NotSaved(Who::Client)
        );
    }

    #[test]
    fn two_clients_at_the_same_time_need_no_death_to_lose_a_grant() {
        let mut log =
            [refresh(CLIENT, "rt_0", 10, Outcome::Fresh), refresh(CLIENT, "rt_0", 12, Outcome::Reuse)];
        let deaths = deaths(&[10_300_000], &[]);
        assert_eq!(cause(&log, &deaths, &loss(12, 27)), Cause::Killed(Who::Client));
        log[1].received_us = 10_500_000;
        assert_eq!(cause(&log, &deaths, &loss(12, 27)), Cause::Twice(Who::Client, Who::Client));
    }

    #[test]
    fn a_grant_that_nobody_refreshed_was_lost_by_the_store() {
        assert_eq!(cause(&[], &deaths(&[], &[]), &loss(11, 26)), Cause::Untouched);
    }

    #[test]
    fn what_clients_and_agent_asked_for_is_counted_apart() {
        let log = [
            refresh(AGENT, "rt_0", 1, Outcome::Fresh),
            refresh(CLIENT, "rt_1", 2, Outcome::Fresh),
            refresh(CLIENT, "rt_1", 3, Outcome::Reuse),
            refresh(CLIENT, "rt_2", 4, Outcome::Dead),
        ];
        assert_eq!(Asked::by(Who::Agent, &log), Asked { requests: 1, refreshes: 1, reuses: 0 });
        assert_eq!(Asked::by(Who::Client, &log), Asked { requests: 3, refreshes: 1, reuses: 1 });
    }

    #[test]
    fn what_a_client_saw_goes_back_to_a_loss_of_that_server_at_that_time() {
        let losses = [loss(10, 25)];
        assert!(goes_back_to(&losses, "north", 9_000_000, 10_000_000));
        assert!(goes_back_to(&losses, "north", 24_000_000, 27_000_000));
        assert!(!goes_back_to(&losses, "north", 8_000_000, 9_900_000));
        assert!(!goes_back_to(&losses, "north", 26_000_000, 27_000_000));
        assert!(!goes_back_to(&losses, "east", 11_000_000, 12_000_000));
    }
}
