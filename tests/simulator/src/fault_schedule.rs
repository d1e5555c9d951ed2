//! What happens whatever anybody does: a function of the seed, the server and the time.

use crate::seeded_rng::SeededRng;

/// A second, in the simulation's milliseconds.
pub(crate) const SECOND: u64 = 1000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
pub(crate) const YEAR: u64 = 365 * DAY;

/// Labels of random numbers, so that no two purposes share one.
pub(crate) mod label {
    pub(crate) const KIND: u64 = 1;
    pub(crate) const WEATHER: u64 = 2;
    pub(crate) const PERSONA: u64 = 3;
    pub(crate) const DAY: u64 = 4;
    pub(crate) const SESSION: u64 = 5;
    pub(crate) const IDLE: u64 = 6;
    pub(crate) const TRIAL: u64 = 7;
    pub(crate) const COPIES: u64 = 8;
}

/// How a server's answers go astray during one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// No connection.
    Unreachable,
    /// 429 or 503, with or without a pause asked for (seconds).
    Busy { status: u16, retry_after: Option<u64> },
    /// It accepts and never answers; nothing is done.
    Hangs,
    /// It does what is asked, and its answer takes this long.
    Slow(u64),
    /// It does what is asked, and the connection breaks before the answer is there.
    LosesAnswers,
    /// The connection breaks before it does anything.
    LosesRequests,
    /// It does what is asked, and the proxy before it says 502.
    BadGateway,
    /// Something else than the answer comes back.
    Odd(Odd),
}

/// An answer that is none, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Odd {
    /// This status, after the server did what was asked, or before.
    Status { status: u16, acts: bool },
    /// A 200 with the first half of the answer.
    Half,
    /// A 200 with something that is no JSON, after the server did what was asked, or before.
    Garbage { acts: bool },
    /// A 200 with a web page: the network's login page, or what a proxy makes of an answer.
    Page { acts: bool },
    /// The pair without its refresh token.
    NoRefreshToken,
    /// The pair without its lifetime.
    NoLifetime,
}

impl Odd {
    /// Whether the server does what was asked.
    pub(crate) fn acts(self) -> bool {
        match self {
            Self::Status { acts, .. } | Self::Garbage { acts } | Self::Page { acts } => acts,
            Self::Half | Self::NoRefreshToken | Self::NoLifetime => true,
        }
    }
}

/// One stretch of bad weather.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: u64,
    to: u64,
    weather: Weather,
}

/// The faults of one server.
pub(crate) struct FaultSchedule {
    stretches: Vec<Stretch>,
    /// When the server revokes whatever was granted before.
    revocations: Vec<u64>,
}

impl FaultSchedule {
    /// Nothing happens.
    pub(crate) fn calm() -> Self {
        Self { stretches: Vec::new(), revocations: Vec::new() }
    }

    pub(crate) fn of(seed: u64, server: u64, years: u64) -> Self {
        let mut stretches = Vec::new();
        let mut revocations = Vec::new();
        for year in 0..years {
            let rng = &mut SeededRng::of(seed, &[label::WEATHER, server, year]);
            let mut add = |rng: &mut SeededRng,
                           mean: f64,
                           length: (u64, u64),
                           weather: &dyn Fn(&mut SeededRng) -> Weather| {
                for _ in 0..rng.times(mean) {
                    let from = year * YEAR + rng.below(YEAR);
                    let to = from + rng.between(length.0, length.1);
                    stretches.push(Stretch { from, to, weather: weather(rng) });
                }
            };
            add(rng, 8.0, (30 * SECOND, 30 * MINUTE), &outage);
            add(rng, 2.0, (30 * MINUTE, 8 * HOUR), &outage);
            add(rng, 0.2, (8 * HOUR, 3 * DAY), &outage);
            add(rng, 6.0, (MINUTE, 2 * HOUR), &|rng| Weather::Slow(rng.between(SECOND, 40 * SECOND)));
            add(rng, 3.0, (10 * SECOND, 2 * MINUTE), &|_| Weather::LosesAnswers);
            add(rng, 2.0, (10 * SECOND, 5 * MINUTE), &|_| Weather::LosesRequests);
            add(rng, 1.5, (10 * SECOND, 2 * MINUTE), &|_| Weather::BadGateway);
            for _ in 0..rng.times(0.15) {
                revocations.push(year * YEAR + rng.below(YEAR));
            }
        }
        stretches.sort_by_key(|stretch| stretch.from);
        // What overlaps is cut, so that there is one weather at a time.
        let mut end = 0;
        stretches.retain_mut(|stretch| {
            stretch.from = stretch.from.max(end);
            end = end.max(stretch.to);
            stretch.from < stretch.to
        });
        revocations.sort_unstable();
        Self { stretches, revocations }
    }

    pub(crate) fn weather(&self, at: u64) -> Option<Weather> {
        let stretch = self.before(at)?;
        (at < stretch.to).then_some(stretch.weather)
    }

    /// Since when the weather has been fine; `None` while it is not.
    pub(crate) fn fine_since(&self, at: u64) -> Option<u64> {
        match self.before(at) {
            None => Some(0),
            Some(stretch) => (stretch.to <= at).then_some(stretch.to),
        }
    }

    /// How long the last bad weather was.
    pub(crate) fn last_length(&self, at: u64) -> u64 {
        self.before(at).map_or(0, |stretch| stretch.to - stretch.from)
    }

    /// Whether everything granted at `granted` was revoked by the server itself by `at`.
    pub(crate) fn revoked(&self, granted: u64, at: u64) -> bool {
        let next = self.revocations.partition_point(|moment| *moment <= granted);
        self.revocations.get(next).is_some_and(|moment| *moment <= at)
    }

    fn before(&self, at: u64) -> Option<&Stretch> {
        let next = self.stretches.partition_point(|stretch| stretch.from <= at);
        self.stretches.get(next.checked_sub(1)?)
    }
}

fn outage(rng: &mut SeededRng) -> Weather {
    match rng.below(10) {
        0..=3 => Weather::Unreachable,
        4 | 5 => Weather::Busy { status: 503, retry_after: None },
        6 => Weather::Busy { status: 503, retry_after: Some(rng.between(1, 300)) },
        7 | 8 => Weather::Busy { status: 429, retry_after: Some(rng.between(1, 120)) },
        _ => Weather::Hangs,
    }
}
