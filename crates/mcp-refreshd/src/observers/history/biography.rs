use super::file::each;
use super::line::{AT_THE_START, Holds, Kind, Line};
use compact::Map;
use jiff::Timestamp;
use std::path::Path;
use std::time::Duration;

/// Tokens that are thrown away so soon after they were written were thrown away by somebody who refreshed at the same time: a request
/// takes at most 30 s, and the client waits 8 s for a lock (measured).
const SAME_TIME: Duration = Duration::from_secs(60);

/// What the history knows of one entry's way to where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Biography {
    /// It held a refresh token once.
    pub(crate) had_login: bool,
    /// When its tokens went, where they did while somebody watched.
    pub(crate) ended_at: Option<Timestamp>,
    /// How long after they were written they were thrown away by a session that had refreshed at the same time.
    pub(crate) collided: Option<Duration>,
    written_at: Option<Timestamp>,
}

/// The biography of each entry, by its store and its key; of none where the history cannot be read.
pub(crate) fn biographies(state: &Path) -> Map<(String, String), Biography> {
    let mut all = Map::<_, Biography>::new();
    // Whoever asks for the history itself is told what is wrong with it.
    let _ = each(state, |line| {
        if let Some((store, key)) = line.entry() {
            all.entry((store.to_owned(), key.to_owned())).or_default().goes_on(&line);
        }
    });
    all
}

impl Biography {
    fn goes_on(&mut self, line: &Line) {
        match line.holds {
            Some(Holds::Tokens) => {
                *self = Self {
                    had_login: self.had_login || line.after.is_some(),
                    // What was only found may have been written at any time before.
                    written_at: (!matches!(line.event, Kind::Found | Kind::Carried)).then_some(line.at),
                    ..Self::default()
                };
            }
            Some(Holds::Missing | Holds::Removed) if line.event != Kind::Carried => {
                let since = self.written_at.map(|written| line.at.duration_since(written));
                let since = since.and_then(|since| Duration::try_from(since).ok());
                self.collided = since.filter(|since| line.event == Kind::Wiped && *since <= SAME_TIME);
                let unseen = matches!(line.event, Kind::Found | Kind::Gone)
                    || line.cause.as_deref() == Some(AT_THE_START);
                self.ended_at = Some(line.at).filter(|_| !unseen);
                self.had_login |= line.before.is_some();
            }
            // What is carried into a new file tells of tokens that are gone.
            Some(_) => self.had_login |= line.after.is_some(),
            None => {}
        }
    }
}
