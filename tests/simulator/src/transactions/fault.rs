//! What is injected into a transaction, and where.

use crate::fault_schedule::{DAY, HOUR, MINUTE, Odd, SECOND, Weather, YEAR};
use crate::seeded_rng::SeededRng;
use virtual_disk::PowerCut;

/// Calls to the disk that one undisturbed transaction makes: 52 to 58. What finds no call is drawn again.
const CALLS: u64 = 60;
/// How long a lasting trouble of the disk lasts.
pub(crate) const LASTING: u64 = MINUTE;

/// Where in the transaction a fault falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// At the daemon's call to the disk of this number, counted from the beginning of the transaction.
    Call(u32),
    /// So long after a request went on the wire, milliseconds.
    Request(u64),
    /// At the first call after an answer is in the journal.
    Answered,
    /// So long after the daemon wrote the store, milliseconds.
    Written(u64),
    /// The next request meets it.
    NextRequest,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The call fails with this number; where it lasts, every call of its kind for a minute.
    Fails {
        error: i32,
        lasts: bool,
    },
    /// So many bytes are left on the disk, for a minute.
    Full(u64),
    ReadOnly,
    /// Every fsync takes 5 s, for a minute.
    SlowSync,
    Kill,
    PowerCut(PowerCut),
    /// An orderly stop, and a start.
    Stop,
    /// The wall clock is set, and set right again some minutes later.
    Clock {
        by: i64,
        for_: u64,
    },
    Suspend(u64),
    Wire(Weather),
    Another(Another),
}

/// What another program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Another {
    /// A client refreshes, under the lock or without it.
    Refreshes { locked: bool },
    /// Writes back the document as it was before the transaction, with a change of its own.
    WritesOld { in_place: bool },
    /// Writes in place: so long only half of the document is there.
    WritesHalf(u64),
    /// A failed refresh wipes the entry.
    Wipes,
    /// A person logs out; `mcp list` leaves a stub so long afterwards, or not.
    LogsOut { stub: Option<u64> },
    /// Something else in the document is changed.
    Edits,
    /// A foreign lock is there.
    Locks { storage: bool, lock: ForeignLock },
}

/// How a foreign lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignLock {
    /// Its holder lives and dates it for so long.
    Held(u64),
    /// Its holder died.
    Stale,
    /// Its holder died, and the clock was wrong.
    Ahead,
    /// A file stands in its place, until a person takes it away.
    File,
}

/// One fault: its row in the table, where it falls, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) row: &'static str,
    pub(crate) point: Point,
    pub(crate) blow: Blow,
}

impl Fault {
    pub(crate) fn draw(rng: &mut SeededRng, latency: u64) -> Self {
        match rng.below(100) {
            0..=23 => call_fails(rng),
            24..=31 => disk(rng),
            32..=44 => kill(rng, latency),
            45..=58 => power_cut(rng, latency),
            59..=78 => wire(rng),
            79..=92 => another(rng, latency),
            _ => time(rng, latency),
        }
    }

    /// Whether another program writes, or a person does through one.
    pub(crate) fn is_a_write(&self) -> bool {
        matches!(self.blow, Blow::Another(another) if !matches!(another, Another::Locks { .. }))
    }
}

fn fault(row: &'static str, point: Point, blow: Blow) -> Fault {
    Fault { row, point, blow }
}

fn a_call(rng: &mut SeededRng) -> Point {
    Point::Call(u32::try_from(rng.below(CALLS)).unwrap_or(0))
}

/// A call, or a moment of the request.
fn anywhere(rng: &mut SeededRng, latency: u64) -> Point {
    if rng.chance(0.4) { Point::Request(rng.below(latency + 30)) } else { a_call(rng) }
}

fn call_fails(rng: &mut SeededRng) -> Fault {
    const ERRORS: [(i32, &str, &str); 6] = [
        (28, "a call fails once: ENOSPC", "calls fail for a minute: ENOSPC"),
        (5, "a call fails once: EIO", "calls fail for a minute: EIO"),
        (30, "a call fails once: EROFS", "calls fail for a minute: EROFS"),
        (13, "a call fails once: EACCES", "calls fail for a minute: EACCES"),
        (16, "a call fails once: EBUSY", "calls fail for a minute: EBUSY"),
        (24, "a call fails once: EMFILE", "calls fail for a minute: EMFILE"),
    ];
    let (error, once, lasting) = *rng.pick(&ERRORS);
    let lasts = rng.chance(0.5);
    fault(if lasts { lasting } else { once }, a_call(rng), Blow::Fails { error, lasts })
}

fn disk(rng: &mut SeededRng) -> Fault {
    let point = a_call(rng);
    match rng.below(3) {
        0 => fault("disk full for a minute", point, Blow::Full(*rng.pick(&[0, 100, 3000]))),
        1 => fault("disk read-only for a minute", point, Blow::ReadOnly),
        _ => fault("every fsync takes 5 s", point, Blow::SlowSync),
    }
}

fn kill(rng: &mut SeededRng, latency: u64) -> Fault {
    match rng.below(4) {
        0 => fault("kill in the middle of the request", Point::Request(rng.below(latency)), Blow::Kill),
        1 => fault("kill right after the answer", Point::Answered, Blow::Kill),
        _ => fault("kill at a call", a_call(rng), Blow::Kill),
    }
}

fn power_cut(rng: &mut SeededRng, latency: u64) -> Fault {
    let cut = *rng.pick(&PowerCut::ALL);
    if rng.chance(0.15) {
        let point = Point::Request(rng.below(latency));
        return fault("power cut in the middle of the request", point, Blow::PowerCut(cut));
    }
    let row = match cut {
        PowerCut::LoseAll => "power cut at a call, all unsynced lost",
        PowerCut::LoseContents => "power cut at a call, contents lost",
        PowerCut::LoseNames => "power cut at a call, names lost",
        PowerCut::LoseNothing => "power cut at a call, nothing lost",
    };
    fault(row, a_call(rng), Blow::PowerCut(cut))
}

fn wire(rng: &mut SeededRng) -> Fault {
    let odd = |odd| Blow::Wire(Weather::Odd(odd));
    let status = |status, acts| odd(Odd::Status { status, acts });
    let (row, blow) = match rng.below(18) {
        0 => ("no connection", Blow::Wire(Weather::Unreachable)),
        1 | 2 => ("answer lost after the server acted", Blow::Wire(Weather::LosesAnswers)),
        3 => ("request lost before the server acted", Blow::Wire(Weather::LosesRequests)),
        4 => ("no answer at all", Blow::Wire(Weather::Hangs)),
        5 | 6 => ("slow answer, up to 40 s", Blow::Wire(Weather::Slow(rng.between(SECOND, 40 * SECOND)))),
        7 => ("answer cut in the middle", odd(Odd::Half)),
        8 => ("500, 502 or 504 before it acted", status(*rng.pick(&[500, 502, 504]), false)),
        9 => ("500, 502 or 504 after it acted", status(*rng.pick(&[500, 502, 504]), true)),
        10 => ("503 or 429 before it acted", status(*rng.pick(&[503, 429]), false)),
        11 => {
            let retry_after = Some(rng.between(1, 120));
            let status = *rng.pick(&[503, 429]);
            ("503 or 429 with a Retry-After", Blow::Wire(Weather::Busy { status, retry_after }))
        }
        12 => ("503 or 429 after it acted", status(*rng.pick(&[503, 429]), true)),
        13 => ("garbage with 200 before it acted", odd(Odd::Garbage { acts: false })),
        14 => ("garbage with 200 after it acted", odd(Odd::Garbage { acts: true })),
        15 => ("a captive portal's page", odd(Odd::Page { acts: false })),
        16 => ("an answer without refresh_token", odd(Odd::NoRefreshToken)),
        _ => ("an answer without expires_in", odd(Odd::NoLifetime)),
    };
    fault(row, Point::NextRequest, blow)
}

fn another(rng: &mut SeededRng, latency: u64) -> Fault {
    let point = anywhere(rng, latency);
    let at_first = Point::Call(0);
    let (row, point, another) = match rng.below(14) {
        0 => ("a client refreshes under the lock", point, Another::Refreshes { locked: true }),
        1 | 2 => ("a client refreshes without the lock", point, Another::Refreshes { locked: false }),
        3 | 4 => (
            "a client writes an older document back",
            Point::Written(rng.below(5 * SECOND)),
            Another::WritesOld { in_place: rng.chance(0.5) },
        ),
        5 => ("half a document can be read", point, Another::WritesHalf(rng.between(1, 5 * SECOND))),
        6 => ("a failed refresh wipes the entry", point, Another::Wipes),
        7 => ("a logout", point, Another::LogsOut { stub: None }),
        8 => {
            let stub = Some(rng.between(1, 2 * SECOND));
            ("a logout, and the stub afterwards", point, Another::LogsOut { stub })
        }
        9 => ("an edit in the middle", point, Another::Edits),
        choice => {
            let storage = rng.chance(0.5);
            let (row, lock) = match choice {
                10 => ("a foreign lock is held", ForeignLock::Held(rng.between(SECOND, 30 * SECOND))),
                11 => ("a foreign lock is stale", ForeignLock::Stale),
                12 => ("a foreign lock is dated ahead", ForeignLock::Ahead),
                _ => ("a file in a lock's place", ForeignLock::File),
            };
            (row, at_first, Another::Locks { storage, lock })
        }
    };
    fault(row, point, Blow::Another(another))
}

fn time(rng: &mut SeededRng, latency: u64) -> Fault {
    let point = anywhere(rng, latency);
    let signed = |time: u64| i64::try_from(time).unwrap_or(0);
    let span = *rng.pick(&[5 * SECOND, MINUTE, HOUR, DAY, YEAR]);
    let for_ = rng.between(MINUTE, 10 * MINUTE);
    match rng.below(7) {
        0 | 1 => fault("the clock is set back", point, Blow::Clock { by: -signed(span), for_ }),
        2 | 3 => fault("the clock is set ahead", point, Blow::Clock { by: signed(span), for_ }),
        4 => fault("a suspend", point, Blow::Suspend(*rng.pick(&[5 * SECOND, MINUTE, HOUR, DAY]))),
        _ => fault("an orderly stop", point, Blow::Stop),
    }
}
