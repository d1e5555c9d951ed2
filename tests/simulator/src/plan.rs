//! What the user and the machine will do on one day, drawn from the seed in advance.

use crate::client::Version;
use crate::fault_schedule::{DAY, HOUR, MINUTE, SECOND, label};
use crate::seeded_rng::SeededRng;
use crate::watch::Blow;
use virtual_disk::PowerCut;

/// An event at a moment of the day, independent of everything else.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// The machine wakes or is switched on.
    Wake,
    /// It sleeps until the next `Wake`.
    Sleep,
    /// It is switched off until the next `Wake`.
    Off,
    Session(Session),
    Network(bool),
    KillDaemon,
    /// The daemon is killed this long after its next request starts, and restarted this long after that.
    KillDaemonAtRequest {
        after: u64,
        restart: u64,
    },
    /// The user starts a new login though nothing is wrong.
    LoginAgain(LoginAgain),
    /// `claude auth logout` deletes the whole file; the user wants all entries back after a while.
    AuthLogout {
        at_a_refresh: bool,
        wants_back: u64,
    },
    /// An upgrade: a clean stop and a restart.
    RestartDaemon {
        at_a_request: bool,
    },
    /// Kills the daemon or session that makes this n-th modifying disk call from now.
    Strike(u64, Blow),
    /// The kernel writes back, and a while later the power fails.
    PowerCut {
        unsynced: u64,
        takes: PowerCut,
    },
    Disk(DiskTrouble, bool),
    Clock(i64),
    Logout {
        server: usize,
        wants_back: u64,
    },
    Edit,
    /// The same, between the daemon's read of the document and its swap.
    EditInBetween,
}

/// What can be wrong with the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskTrouble {
    Full,
    ReadOnly,
    /// Every fsync takes this long.
    Slow(u64),
}

/// The user's new login while the old one is good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoginAgain {
    pub(crate) server: usize,
    /// How long the user spends in the browser.
    pub(crate) takes: u64,
    /// The user closes the browser instead.
    pub(crate) gives_up: bool,
    /// It ends this long after a request for this entry was sent, if one is within two minutes.
    pub(crate) at_a_refresh: Option<u64>,
}

/// One session of a client.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) number: u64,
    pub(crate) version: Version,
    pub(crate) length: u64,
    /// Killed after this time.
    pub(crate) killed_after: Option<u64>,
}

/// The habits of the user and the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Persona {
    /// How often the machine is awake on a day of the week, and at a weekend.
    awake: (f64, f64),
    /// How often it is used for sessions on such a day.
    uses: f64,
    /// When the day usually starts, plus or minus an hour and a half.
    begins: u64,
    hours: (u64, u64),
    sessions: f64,
    /// The machine is never switched off.
    always_on: bool,
    /// Share of sessions with old versions.
    old: f64,
}

impl Happening {
    /// What somebody does to Claude Code's document, in which no owned login is.
    pub(crate) fn is_about_the_clients_document(&self) -> bool {
        matches!(self, Self::Logout { .. } | Self::AuthLogout { .. } | Self::Edit | Self::EditInBetween)
    }
}

impl Persona {
    pub(crate) fn of(seed: u64) -> Self {
        let rng = &mut SeededRng::of(seed, &[label::PERSONA]);
        let old = *rng.pick(&[0.0, 0.0, 0.0, 0.05, 0.3]);
        let begins = rng.between(7 * HOUR, 11 * HOUR);
        let kind = rng.below(100);
        let (awake, uses, hours, sessions) = match kind {
            // Every working day, with sessions on nearly all of them.
            0..=19 => ((0.95, 0.15), 0.95, (7, 11), 6.0),
            // At the machine on most days, in sessions on half of them.
            20..=54 => ((0.85, 0.3), 0.5, (4, 9), 4.0),
            // Now and then.
            55..=84 => ((0.5, 0.3), 0.2, (2, 7), 3.0),
            // A machine that is always on, used by somebody who works, and by somebody who comes now and then.
            85..=92 => ((1.0, 0.2), 0.8, (6, 10), 5.0),
            _ => ((1.0, 0.5), 0.15, (2, 8), 3.0),
        };
        Self { awake, uses, begins, hours, sessions, always_on: kind >= 85, old }
    }

    /// The events of this day in order, each with its time (milliseconds from the start of the day).
    pub(crate) fn day(&self, seed: u64, day: u64, servers: usize) -> Vec<(u64, Happening)> {
        // Months without the machine: about one in two years. And a holiday of one to three weeks in two of three quarters.
        let month = SeededRng::of(seed, &[label::IDLE, day / 30]).chance(0.05);
        let holiday = &mut SeededRng::of(seed, &[label::IDLE, day / 91, 1]);
        let first = holiday.below(70);
        let away =
            month || holiday.chance(0.66) && (first..first + holiday.between(7, 22)).contains(&(day % 91));
        let rng = &mut SeededRng::of(seed, &[label::DAY, day]);
        let awake = if day % 7 < 5 { self.awake.0 } else { self.awake.1 };
        let here = rng.chance(awake) && !away;
        let works = rng.chance(self.uses) && here;
        if !here && !self.always_on {
            return Vec::new();
        }
        let length = rng.between(self.hours.0 * HOUR, self.hours.1 * HOUR);
        let begins = self.begins + rng.below(3 * HOUR) - 90 * MINUTE;
        let to = (begins + length).min(DAY - MINUTE);
        let from = begins;
        let number = day << 16;
        let (up, down) = if self.always_on { (0, DAY) } else { (from, to) };
        let mut day = Day { rng, from, to, happenings: Vec::new() };
        if !self.always_on {
            day.at(up, Happening::Wake);
        }
        if works {
            day.sessions(self, number);
        }
        day.machine();
        day.person(servers);
        // Numbers of their own: what was drawn before this was thought of stays as it is.
        let other = &mut SeededRng::of(seed, &[label::DAY, number >> 16, 1]);
        if other.chance(0.05) {
            day.at(other.between(from + SECOND, to.max(from + 2 * SECOND)), Happening::EditInBetween);
        }
        let other = &mut SeededRng::of(seed, &[label::DAY, number >> 16, 2]);
        let mut some_time = || other.between(from + SECOND, to.max(from + 2 * SECOND));
        let moments = [some_time(), some_time(), some_time()];
        if other.chance(0.1) {
            let restart = *other.pick(&[200, 2 * SECOND, 2 * SECOND, 20 * SECOND, 5 * MINUTE]);
            let restart = other.between(restart, restart * 2);
            let after = other.between(0, 1500);
            day.at(moments[0], Happening::KillDaemonAtRequest { after, restart });
        }
        if works && other.chance(0.04) {
            let again = LoginAgain {
                server: usize::try_from(other.below(servers as u64)).unwrap_or(0),
                takes: other.between(10 * SECOND, 4 * MINUTE),
                gives_up: other.chance(0.15),
                at_a_refresh: other.chance(0.5).then_some(other.below(2 * SECOND)),
            };
            day.at(moments[1], Happening::LoginAgain(again));
        }
        if works && other.chance(0.003) {
            let (at_a_refresh, wants_back) = (other.chance(0.5), other.between(5 * SECOND, HOUR));
            day.at(moments[2], Happening::AuthLogout { at_a_refresh, wants_back });
        }
        if !self.always_on {
            let end = if day.rng.chance(0.3) { Happening::Off } else { Happening::Sleep };
            day.at(down, end);
        }
        let mut happenings = day.happenings;
        happenings.sort_by_key(|(at, _)| *at);
        happenings
    }
}

struct Day<'a> {
    rng: &'a mut SeededRng,
    from: u64,
    to: u64,
    happenings: Vec<(u64, Happening)>,
}

impl Day<'_> {
    fn at(&mut self, moment: u64, what: Happening) {
        self.happenings.push((moment, what));
    }

    /// A moment of the waking day.
    fn some_time(&mut self) -> u64 {
        self.rng.between(self.from + SECOND, self.to.max(self.from + 2 * SECOND))
    }

    /// Something that lasts.
    fn lasts(&mut self, length: (u64, u64), begins: Happening, ends: Happening) {
        let from = self.some_time();
        let to = (from + self.rng.between(length.0, length.1)).min(self.to.saturating_sub(1)).max(from);
        self.at(from, begins);
        self.at(to, ends);
    }

    fn sessions(&mut self, persona: &Persona, number: u64) {
        for index in 0..self.rng.times(persona.sessions).max(1) {
            // The first one soon after the day begins.
            let soon = self.from + self.rng.between(MINUTE, 30 * MINUTE);
            let begins = if index == 0 { soon.min(self.to) } else { self.some_time() };
            // Now and then several at once: a storm.
            let together = if self.rng.chance(0.1) { self.rng.between(2, 6) } else { 1 };
            for twin in 0..together {
                let version = if self.rng.chance(persona.old) {
                    *self.rng.pick(&Version::OLD)
                } else {
                    Version::NEWEST
                };
                let short = self.rng.chance(0.15);
                let length = if short { 3 * SECOND } else { self.rng.between(2 * MINUTE, 90 * MINUTE) };
                let killed_after = self.rng.chance(0.04).then(|| self.rng.below(3 * SECOND));
                let number = number ^ (index << 8) ^ twin;
                let begins = begins + self.rng.below(500) * twin.min(1);
                self.at(begins, Happening::Session(Session { number, version, length, killed_after }));
            }
        }
    }

    fn machine(&mut self) {
        for _ in 0..self.rng.times(0.7) {
            self.lasts((20 * SECOND, 2 * HOUR), Happening::Sleep, Happening::Wake);
        }
        for _ in 0..self.rng.times(1.0) {
            self.lasts((SECOND, HOUR), Happening::Network(false), Happening::Network(true));
        }
        if self.rng.chance(0.15) {
            let (at, calls) = (self.some_time(), self.rng.below(60));
            self.at(at, Happening::Strike(calls, Blow::Kill));
        }
        if self.rng.chance(0.1) {
            let (at, calls) = (self.some_time(), self.rng.below(60));
            self.at(at, Happening::Strike(calls, Blow::PowerCut));
        }
        if self.rng.chance(0.05) {
            let at = self.some_time();
            self.at(at, Happening::KillDaemon);
        }
        if self.rng.chance(0.1) {
            let at = self.some_time();
            let at_a_request = self.rng.chance(0.5);
            self.at(at, Happening::RestartDaemon { at_a_request });
        }
        if self.rng.chance(0.03) {
            let at = self.some_time();
            let (unsynced, takes) = (self.rng.between(100, 30 * SECOND), *self.rng.pick(&PowerCut::ALL));
            self.at(at, Happening::PowerCut { unsynced, takes });
        }
        if self.rng.chance(0.03) {
            let seconds = self.rng.between(20, 5000);
            let trouble =
                *self.rng.pick(&[DiskTrouble::Full, DiskTrouble::ReadOnly, DiskTrouble::Slow(seconds)]);
            self.lasts(
                (5 * SECOND, 3 * HOUR),
                Happening::Disk(trouble, true),
                Happening::Disk(trouble, false),
            );
        }
        if self.rng.chance(0.02) {
            let far = *self.rng.pick(&[MINUTE, HOUR, DAY, 365 * DAY]);
            let far = i64::try_from(self.rng.between(far / 2, far)).unwrap_or(0);
            let by = if self.rng.chance(0.5) { far } else { -far };
            self.lasts((SECOND, 3 * HOUR), Happening::Clock(by), Happening::Clock(-by));
        }
    }

    fn person(&mut self, servers: usize) {
        if self.rng.chance(0.03) {
            let server = usize::try_from(self.rng.below(servers as u64)).unwrap_or(0);
            let (at, wants_back) = (self.some_time(), self.rng.between(5 * SECOND, DAY));
            self.at(at, Happening::Logout { server, wants_back });
        }
        if self.rng.chance(0.02) {
            let at = self.some_time();
            self.at(at, Happening::Edit);
        }
    }
}
