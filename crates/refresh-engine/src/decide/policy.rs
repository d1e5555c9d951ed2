use compact::Map;
use std::time::Duration;

/// Below this the client refreshes by itself at the next use (measured: 290 s refreshed, 310 s not).
pub const CLIENT_WINDOW: Duration = Duration::from_secs(300);
/// The smallest margin: the client's window plus the time that a slow endpoint may take.
pub const MARGIN_FLOOR: Duration = Duration::from_secs(7 * 60);
/// The largest margin: a longer one would only refresh more often.
pub const MARGIN_CEILING: Duration = Duration::from_secs(2 * 60 * 60);
/// A refusal while the access token was good is rechecked when this much is left.
pub(crate) const SUSPECT_RECHECK: Duration = Duration::from_secs(6 * 60);
/// A shorter lifetime leaves no margin above the client's window.
pub const SHORT_LIFE: Duration = Duration::from_secs(10 * 60);
/// A session counts as active if one of its logs changed within this time.
pub(crate) const QUIET: Duration = Duration::from_secs(60);
/// Short-lived tokens are refreshed eagerly if a session was active within this time.
pub(crate) const SHORT_LIVED_ACTIVE: Duration = Duration::from_secs(15 * 60);
/// The least remaining life of a short-lived token in use, if its lifetime allows it: more than a slow endpoint takes.
pub(crate) const SHORT_LIVED_LEFT: Duration = Duration::from_secs(60);
/// A session that was quiet for longer is not expected to continue; a new one writes to the watched folder.
pub(crate) const SHORT_LIVED_RESUMED: Duration = Duration::from_secs(4 * 60 * 60);
/// How often to check until then.
pub(crate) const SHORT_LIVED_LOOK: Duration = Duration::from_secs(60);
/// How long to leave a pair alone that another program wrote: the user has just logged in, and sessions are picking up the new token. It is
/// refreshed earlier only if the client would do so itself soon.
pub(crate) const NEW_LOGIN_REST: Duration = Duration::from_secs(5 * 60);
/// The shortest time between successful refreshes of one login, whatever the server says of its tokens. Does not apply if the user
/// forces a refresh, or if two pairs of one grant must be settled.
pub(crate) const PACE: Duration = Duration::from_secs(10);
/// The longest known grace period for a spent refresh token (Linear, 30 min).
pub(crate) const LONGEST_GRACE: Duration = Duration::from_secs(30 * 60);
/// A token that may be spent is presented once more at most this long after the last request, within that grace period.
pub(crate) const GRACE_USED: Duration = Duration::from_secs(25 * 60);
/// How often to refresh unused short-lived tokens: every rotation is a risk.
pub(crate) const SHORT_LIVED_KEEP_ALIVE: Duration = Duration::from_secs(30 * 60);
/// How often to refresh entries of unknown expiry.
pub(crate) const UNKNOWN_EXPIRY_KEEP_ALIVE: Duration = Duration::from_secs(12 * 60 * 60);
/// How often to use the refresh token of a resting entry, or earlier if its own lifetime requires it: not every server says how soon it
/// forgets one.
pub(crate) const RESTING_KEEP_ALIVE: Duration = Duration::from_secs(24 * 60 * 60);
/// How often to check for sessions while a resting entry's token is about to expire.
pub(crate) const RESTING_LOOK: Duration = Duration::from_secs(60);
/// How long a keep-alive may wait for a quiet moment.
pub(crate) const KEEP_ALIVE_PATIENCE: Duration = Duration::from_secs(60 * 60);

const _: () =
    assert!(MARGIN_FLOOR.as_secs() > CLIENT_WINDOW.as_secs() + 60, "the floor leaves the endpoint its 35 s");
const _: () =
    assert!(SUSPECT_RECHECK.as_secs() > CLIENT_WINDOW.as_secs(), "the second try is before the client's own");
const _: () =
    assert!(SUSPECT_RECHECK.as_secs() < MARGIN_FLOOR.as_secs(), "the second try comes after the first");
const _: () = assert!(SHORT_LIFE.as_secs() > MARGIN_FLOOR.as_secs(), "a longer life has room for the margin");

/// The user's settings: when to refresh, and what to ignore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Share of the lifetime kept as margin, in percent.
    pub margin_percent: u8,
    /// Smallest margin; never below [`MARGIN_FLOOR`].
    pub margin_floor: Duration,
    /// Largest margin.
    pub margin_ceiling: Duration,
    /// A refresh token unused for this long is always refreshed.
    pub keep_alive: Duration,
    /// Makes the jitter differ between machines and users: two agents that keep copies of one grant must not be due
    /// in the same second.
    pub jitter_seed: u64,
    /// When access tokens are kept fresh.
    pub fresh: Freshness,
    /// Per-server settings, by `serverName`.
    pub servers: Map<String, ServerPolicy>,
}

/// When access tokens are kept fresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// While Claude Code is in use or expected to be; at other times only refresh tokens are kept alive.
    #[default]
    WhenUsed,
    /// Always.
    Always,
}

/// Which rule determined a margin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarginRule {
    /// The share of the lifetime.
    Share,
    /// The smallest margin, because the share is smaller.
    Floor,
    /// The largest margin, because the share is larger.
    Ceiling,
    /// The user's setting for this server.
    Server,
    /// Three quarters of the lifetime, because the configured margin is larger.
    Lifetime,
}

/// The user's settings for one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerPolicy {
    /// Never refresh it.
    pub ignore: bool,
    /// This margin instead of the share of the lifetime; never below [`MARGIN_FLOOR`].
    pub margin: Option<Duration>,
    /// This keep-alive instead of the global one.
    pub keep_alive: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            margin_percent: 25,
            margin_floor: MARGIN_FLOOR,
            margin_ceiling: MARGIN_CEILING,
            keep_alive: Duration::from_secs(7 * 24 * 60 * 60),
            jitter_seed: 0,
            fresh: Freshness::default(),
            servers: Map::new(),
        }
    }
}

impl Policy {
    /// True if the user wants this server left alone.
    #[must_use]
    pub fn ignores(&self, server_name: &str) -> bool {
        self.servers.get(server_name).is_some_and(|server| server.ignore)
    }

    /// How long a refresh token of this server may stay unused.
    #[must_use]
    pub fn keep_alive_of(&self, server_name: &str) -> Duration {
        self.servers.get(server_name).and_then(|server| server.keep_alive).unwrap_or(self.keep_alive)
    }

    /// How long before expiry to refresh a token with this lifetime (zero: unknown), without jitter.
    #[must_use]
    pub fn margin_of(&self, server_name: &str, lifetime: Duration) -> Duration {
        let floor = self.margin_floor.max(MARGIN_FLOOR);
        let margin = match self.servers.get(server_name).and_then(|server| server.margin) {
            Some(margin) => margin.max(floor),
            None => {
                (lifetime / 100 * u32::from(self.margin_percent)).clamp(floor, self.margin_ceiling.max(floor))
            }
        };
        if lifetime.is_zero() {
            return margin;
        }
        // A margin as long as the lifetime would refresh endlessly.
        margin.min(lifetime / 4 * 3).max(MARGIN_FLOOR)
    }

    /// Which rule determined [`margin_of`](Self::margin_of), to explain it to the user.
    #[must_use]
    pub fn margin_rule(&self, server_name: &str, lifetime: Duration) -> MarginRule {
        let margin = self.margin_of(server_name, lifetime);
        let floor = self.margin_floor.max(MARGIN_FLOOR);
        match self.servers.get(server_name).and_then(|server| server.margin) {
            Some(set) if set == margin => MarginRule::Server,
            None if lifetime / 100 * u32::from(self.margin_percent) == margin => MarginRule::Share,
            _ if margin == floor || margin == MARGIN_FLOOR => MarginRule::Floor,
            None if margin == self.margin_ceiling.max(floor) => MarginRule::Ceiling,
            _ => MarginRule::Lifetime,
        }
    }
}

/// The margin with jitter: up to 10 % earlier, never later, constant for one token, so that entries
/// written together do not come due together.
#[must_use]
pub(crate) fn with_jitter(margin: Duration, seed: u64) -> Duration {
    let thousandths = u32::try_from(seed % 101).unwrap_or(0);
    margin + margin / 1000 * thousandths
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_margin_is_a_quarter_of_the_lifetime_between_seven_minutes_and_two_hours() {
        let policy = Policy::default();
        assert_eq!(policy.margin_of("a", HOUR), Duration::from_secs(900));
        assert_eq!(policy.margin_of("a", HOUR / 6), MARGIN_FLOOR);
        assert_eq!(policy.margin_of("a", 24 * HOUR), MARGIN_CEILING);
    }

    #[test]
    fn no_setting_brings_the_margin_below_the_floor() {
        let mut policy =
            Policy { margin_floor: Duration::ZERO, margin_ceiling: Duration::ZERO, ..Policy::default() };
        assert_eq!(policy.margin_of("a", HOUR), MARGIN_FLOOR);
        let margin = Some(Duration::from_secs(10));
        policy.servers.insert("a".into(), ServerPolicy { margin, ..ServerPolicy::default() });
        assert_eq!(policy.margin_of("a", HOUR), MARGIN_FLOOR);
    }

    #[test]
    fn no_setting_takes_more_than_three_quarters_of_the_lifetime() {
        let mut policy = Policy { margin_floor: HOUR, ..Policy::default() };
        assert_eq!(policy.margin_of("a", HOUR), Duration::from_secs(45 * 60));
        let margin = Some(24 * HOUR);
        policy.servers.insert("a".into(), ServerPolicy { margin, ..ServerPolicy::default() });
        assert_eq!(policy.margin_of("a", 2 * HOUR), Duration::from_secs(90 * 60));
        assert_eq!(policy.margin_of("a", Duration::ZERO), 24 * HOUR);
    }

    #[test]
    fn a_margin_names_its_rule() {
        let mut policy = Policy::default();
        assert_eq!(policy.margin_rule("a", HOUR), MarginRule::Share);
        assert_eq!(policy.margin_rule("a", HOUR / 6), MarginRule::Floor);
        assert_eq!(policy.margin_rule("a", 24 * HOUR), MarginRule::Ceiling);
        let margin = Some(HOUR);
        policy.servers.insert("a".into(), ServerPolicy { margin, ..ServerPolicy::default() });
        assert_eq!(policy.margin_rule("a", 8 * HOUR), MarginRule::Server);
        assert_eq!(policy.margin_rule("a", HOUR), MarginRule::Lifetime);
    }

    proptest! {
        #[test]
        fn jitter_only_refreshes_earlier_by_at_most_a_tenth(seed: u64, seconds in 0_u64..1_000_000) {
            let margin = Duration::from_secs(seconds);
            let jittered = with_jitter(margin, seed);
            prop_assert!(jittered >= margin && jittered <= margin + margin / 10);
        }
    }
}
