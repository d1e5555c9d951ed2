use crate::decide::need::Need;
use std::time::Duration;

/// What to do with one entry now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Do nothing until then.
    Sleep {
        /// How long, by whichever clock is first.
        wait: Duration,
        /// What it waits for.
        until: Until,
    },
    /// Refresh it.
    Refresh(Reason),
    /// Only the user can fix it.
    NeedsPerson(Need),
    /// Leave it alone.
    Ignore(Ignored),
}

/// What a sleeping entry waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Its margin to start.
    Margin,
    /// A minute without session activity.
    Quiet,
    /// The pause after a failure to end.
    Retry,
    /// The recheck of a refusal.
    Recheck,
    /// The last try after a lost answer.
    AmbiguousHold,
    /// Its refresh token to be due for keep-alive.
    KeepAlive,
    /// Use: no session is expected now.
    Use,
    /// The expiry of an access token that cannot be refreshed.
    Expiry,
}

/// Why an entry is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is inside its margin.
    Due,
    /// It has expired.
    Expired,
    /// Its tokens live for minutes and a session is using them.
    ShortLived,
    /// Its refresh token must not lapse.
    KeepAlive,
    /// A refusal is rechecked.
    Recheck,
    /// The agent died while waiting for the answer.
    CutOff,
    /// An answer was lost or ambiguous, and time is running out.
    AfterAmbiguous,
    /// The user asked for it.
    Forced,
    /// Another program's failed refresh wiped the entry.
    Heal,
    /// Another program and the agent exchanged the same refresh token.
    Contested,
}

impl Reason {
    /// In words, for the log and the history.
    #[must_use]
    pub fn wording(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Expired => "expired",
            Self::ShortLived => "short-lived and in use",
            Self::KeepAlive => "keep-alive",
            Self::Recheck => "recheck of a refusal",
            Self::CutOff => "retry after a crash",
            Self::AfterAmbiguous => "retry after an ambiguous answer",
            Self::Forced => "on request",
            Self::Heal => "healing a wiped entry",
            Self::Contested => "two programs refreshed it at once",
        }
    }
}

/// Why an entry is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The configuration says so.
    Configured,
    /// It has no refresh token, and its access token's expiry is unknown.
    NothingToDo,
}
