//! One transaction as it is drawn: the server, the entry, the faults.

use super::fault::{Another, Blow, Fault};
use crate::fault_schedule::{DAY, HOUR, MINUTE, SECOND, label};
use crate::kind::{Kind, Rotation};
use crate::seeded_rng::SeededRng;

/// Everything that is drawn for one transaction.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    /// What the access token has left, milliseconds; negative where it is expired.
    pub(crate) left: i64,
    pub(crate) faults: Vec<Fault>,
}

impl Case {
    pub(crate) fn draw(seed: u64, number: u64, attempt: u64) -> Self {
        let rng = &mut SeededRng::of(seed, &[label::TRIAL, number, attempt]);
        let rotation = match rng.below(7) {
            0 => Rotation::None,
            1..=3 => Rotation::Replaces { grace: 0, revokes: rng.chance(0.7) },
            4 | 5 => Rotation::Replaces { grace: 10 * SECOND, revokes: rng.chance(0.7) },
            _ => Rotation::Replaces { grace: 30 * MINUTE, revokes: rng.chance(0.7) },
        };
        let lifetime = *rng.pick(&[HOUR, HOUR, 8 * HOUR, DAY]);
        let kind = Kind {
            lifetime,
            names_lifetime: rng.chance(0.9),
            rotation,
            kills_access: rotation != Rotation::None && rng.chance(0.3),
            idle: None,
            names_idle: false,
            latency: rng.between(40, 600),
            login_revokes: false,
            refuses: None,
        };
        // All of these are due at once: inside the margin of seven minutes, inside a client's own 300 s, or past.
        let lefts = [400 * SECOND, 250 * SECOND, 60 * SECOND];
        let left = i64::try_from(*rng.pick(&lefts)).unwrap_or(0);
        let left = if rng.chance(0.15) { -left } else { left };
        let lefts_in_window = 250_000;
        let mut faults = vec![Fault::draw(rng, kind.latency)];
        if rng.chance(0.1) {
            faults.push(Fault::draw(rng, kind.latency));
        }
        // One request meets one weather.
        if faults.len() == 2
            && faults.iter().all(|fault| matches!(fault.point, super::fault::Point::NextRequest))
        {
            faults.pop();
        }
        // A client of today refreshes what is inside its window, and nothing else.
        let locked = Blow::Another(Another::Refreshes { locked: true });
        let left =
            if faults.iter().any(|fault| fault.blow == locked) { left.min(lefts_in_window) } else { left };
        Self { seed, number, kind, left, faults }
    }

    /// The row of the table that it belongs to.
    pub(crate) fn row(&self) -> &'static str {
        match &*self.faults {
            [one] => one.row,
            _ => "two faults",
        }
    }

    pub(crate) fn alone(&self) -> bool {
        self.faults.len() == 1
    }

    pub(crate) fn grace(&self) -> Option<u64> {
        match self.kind.rotation {
            Rotation::None => None,
            Rotation::Replaces { grace, .. } => Some(grace),
        }
    }
}

/// What the oracle asks of the faults.
impl Case {
    fn any(&self, what: impl Fn(&Blow) -> bool) -> bool {
        self.faults.iter().any(|fault| what(&fault.blow))
    }

    /// The disk refused something.
    pub(crate) fn is_of_the_disk(&self) -> bool {
        self.any(|blow| matches!(blow, Blow::Fails { .. } | Blow::Full(_) | Blow::ReadOnly))
    }

    pub(crate) fn another_writes(&self) -> bool {
        self.faults.iter().any(Fault::is_a_write)
    }

    pub(crate) fn has_lockless_client(&self) -> bool {
        self.any(|blow| matches!(blow, Blow::Another(Another::Refreshes { locked: false })))
    }

    pub(crate) fn two_others_write(&self) -> bool {
        !self.alone() && self.faults.iter().all(Fault::is_a_write)
    }

    pub(crate) fn logs_out(&self) -> bool {
        self.any(|blow| matches!(blow, Blow::Another(Another::LogsOut { .. })))
    }

    pub(crate) fn stops(&self) -> bool {
        self.any(|blow| *blow == Blow::Stop)
    }

    /// How long the machine sleeps, and nobody can do anything.
    pub(crate) fn asleep(&self) -> u64 {
        let asleep = |fault: &Fault| if let Blow::Suspend(time) = fault.blow { time } else { 0 };
        self.faults.iter().map(asleep).sum()
    }

    /// A dead holder's storage lock is in nobody's way where nobody has to write.
    pub(crate) fn locks_the_storage(&self) -> bool {
        self.any(|blow| matches!(blow, Blow::Another(Another::Locks { storage: true, .. })))
    }
}
