use crate::decide::need::Need;
use std::time::Duration;

/// What to do with one entry now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing until then.
    Sleep {
        /// How long, by whichever clock gets there first.
        wait: Duration,
        /// What is waited for.
        until: Until,
    },
    /// Refresh it.
    Refresh(Reason),
    /// Only the user can fix it.
    NeedsPerson(Need),
    /// Not ours to touch.
    Ignore(Ignored),
}

/// What a sleeping entry waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Its margin to begin.
    Margin,
    /// Its sessions to be quiet for a minute.
    Quiet,
    /// The pause after a failure to end.
    Retry,
    /// The recheck of a refusal.
    Recheck,
    /// The last try after an answer was lost.
    AmbiguousHold,
    /// Its refresh token to need exercise.
    KeepAlive,
    /// Somebody to use it: nobody is expected now.
    Use,
    /// The end of an access token that cannot be refreshed.
    Expiry,
}

/// Why an entry is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is inside its margin.
    Due,
    /// It has expired.
    Expired,
    /// Its tokens live for minutes and a session uses them.
    ShortLived,
    /// Its refresh token must not lapse.
    KeepAlive,
    /// A refusal is looked at once more.
    Recheck,
    /// The daemon died while it waited for the answer.
    CutOff,
    /// An answer was lost or left open what became of the token, and time is running out.
    AfterAmbiguous,
    /// Somebody asked for it.
    Forced,
    /// A failed refresh of somebody else wiped the entry.
    Heal,
    /// Somebody else and the daemon exchanged the same refresh token.
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
            Self::AfterAmbiguous => "again, after an answer that left it open",
            Self::Forced => "asked for",
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
    /// It has no refresh token, and nobody knows when its access token ends.
    NothingToDo,
}
