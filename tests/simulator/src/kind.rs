use crate::fault_schedule::{DAY, HOUR, MINUTE, SECOND, label};
use crate::seeded_rng::SeededRng;

/// The traits of an authorization server, in realistic proportions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// How long an access token lives.
    pub(crate) lifetime: u64,
    /// Whether its answers say so.
    pub(crate) names_lifetime: bool,
    pub(crate) rotation: Rotation,
    /// Whether an access token dies when a newer one is issued.
    pub(crate) kills_access: bool,
    /// How long an unused refresh token lives.
    pub(crate) idle: Option<u64>,
    /// Whether its answers say so.
    pub(crate) names_idle: bool,
    /// How long it takes to answer.
    pub(crate) latency: u64,
    /// Whether a new login ends the previous one.
    pub(crate) login_revokes: bool,
    /// What it refuses in a request, though the refresh token is good.
    pub(crate) refuses: Option<Refuses>,
}

/// What a server refuses in the shape of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refuses {
    /// It demands the login's `scope`; otherwise the `resource` that the login sent, or none.
    pub(crate) scope: bool,
    /// It has already spent the refresh token then (measured: `invalid_target`, `invalid_scope`).
    pub(crate) spends: bool,
}

/// What a request says besides its token.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) resource: Option<String>,
    pub(crate) scope: bool,
}

impl Refuses {
    /// The error, if it does not accept a request of this shape; `login` is the `resource` that the login sent.
    pub(crate) fn code(self, shape: &Shape, login: &str) -> Option<&'static str> {
        if self.scope {
            (!shape.scope).then_some("invalid_scope")
        } else {
            shape.resource.as_ref().is_some_and(|resource| resource != login).then_some("invalid_target")
        }
    }
}

/// What happens to a refresh token that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// Nothing.
    None,
    /// It is replaced, and good for this much longer; afterwards its use revokes the family, or is only refused.
    Replaces { grace: u64, revokes: bool },
}

impl Kind {
    /// The kind of this seed's server.
    pub(crate) fn of(seed: u64, server: u64) -> Self {
        let rng = &mut SeededRng::of(seed, &[label::KIND, server]);
        let lifetime = match rng.below(100) {
            0..=4 => 5 * MINUTE,
            5 | 6 => 10 * MINUTE,
            7..=11 => 15 * MINUTE,
            12..=16 => 30 * MINUTE,
            17..=46 => HOUR,
            47..=54 => 2 * HOUR,
            55..=64 => 8 * HOUR,
            65..=74 => 12 * HOUR,
            _ => 24 * HOUR,
        };
        let rotation = if rng.chance(0.15) {
            Rotation::None
        } else {
            let grace = *rng.pick(&[0, 0, 0, 0, 10 * SECOND, 30 * MINUTE]);
            Rotation::Replaces { grace, revokes: rng.chance(0.7) }
        };
        let idle = rng.chance(0.5).then(|| {
            *rng.pick(&[2 * DAY, 14 * DAY, 14 * DAY, 30 * DAY, 30 * DAY, 30 * DAY, 90 * DAY, 90 * DAY])
        });
        // Numbers of their own: what was drawn before these were thought of stays as it is.
        let other = &mut SeededRng::of(seed, &[label::KIND, server, 1]);
        let rotation = match rotation {
            Rotation::Replaces { grace: 0, revokes } if other.chance(0.25) => {
                Rotation::Replaces { grace: 30 * SECOND, revokes }
            }
            rotation => rotation,
        };
        let login_revokes = other.chance(0.5);
        let refuses = match other.below(100) {
            // Where tokens live for less than ten minutes the client asks in that way at every use, and nobody stays logged in.
            0 if lifetime >= 10 * MINUTE => Some(Refuses { scope: false, spends: true }),
            1 => Some(Refuses { scope: false, spends: false }),
            // Nobody can refresh there who does not know: with short lives there would be nothing else to see.
            2 | 3 if lifetime >= 12 * HOUR => Some(Refuses { scope: true, spends: other.chance(0.5) }),
            _ => None,
        };
        let names_idle = idle.is_some_and(|idle| idle < 7 * DAY) || rng.chance(0.3);
        Self {
            lifetime,
            names_lifetime: lifetime < 24 * HOUR || rng.chance(0.7),
            rotation,
            kills_access: rotation != Rotation::None && rng.chance(0.3),
            idle,
            names_idle,
            latency: rng.between(40, 600),
            login_revokes,
            refuses,
        }
    }

    /// No margin can stay above the client's 300 s.
    pub(crate) fn short_lived(&self) -> bool {
        self.lifetime < 10 * MINUTE
    }
}
