use crate::agent::unwritable::Unwritable;
use crate::commands::labels::Named;
use crate::control::report::EntryStatus;
use crate::terminal::remedy::{login, refresh, refresh_by_force};
use crate::terminal::wording::{length, visible};
use jiff::Timestamp;
use refresh_engine::ObservedEntry;
use std::time::Duration;
use token_endpoint::{Probe, SendError, UnsentKind};

/// What was found out about one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is valid for long enough, and accepted where its server was asked.
    Ok,
    /// It is not.
    NotOk,
    /// By the store it is, and its server could not be asked.
    Unknown,
}

impl Verdict {
    fn wording(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotOk => "not ok",
            Self::Unknown => "unknown",
        }
    }
}

/// How a server took its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Live {
    Accepted,
    /// 401.
    Refused,
    /// 403.
    Limited,
    /// It may not be asked: its URL is none that a token is sent to.
    NotAllowed,
    /// It did not answer, or its answer says nothing about the token.
    Unanswered,
}

/// One entry, and what is to be said of it.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) seen: ObservedEntry,
    /// Location of its store.
    pub(super) store: String,
    pub(super) verdict: Verdict,
    pub(super) reasons: Vec<String>,
    /// What to type; one command, whatever the reasons.
    pub(super) cure: Option<String>,
    /// The agent is getting a new token already.
    waits: bool,
    /// Whether its server could say more.
    pub(super) asks: bool,
    pub(super) live: Option<Live>,
}

impl Checked {
    /// Whether the token is valid for `min_valid`, by what the store says.
    pub(super) fn by_the_store(
        seen: ObservedEntry,
        store: String,
        now: Timestamp,
        min_valid: Duration,
    ) -> Self {
        let asks = seen.entry.access_token.is_some();
        let mut checked = Self {
            seen,
            store,
            verdict: Verdict::Ok,
            reasons: Vec::new(),
            cure: None,
            waits: false,
            asks,
            live: None,
        };
        let (verdict, reason) = checked.expiry(now, min_valid);
        checked.verdict = verdict;
        checked.reasons.push(reason);
        checked.cure = (verdict != Verdict::Ok).then(|| checked.new_token(now));
        checked
    }

    fn expiry(&self, now: Timestamp, min_valid: Duration) -> (Verdict, String) {
        if self.seen.entry.access_token.is_none() {
            return (Verdict::NotOk, "not logged in".to_owned());
        }
        let Some(end) = self.seen.expiry.moment() else {
            return (Verdict::Ok, "valid, unknown expiry".to_owned());
        };
        match Duration::try_from(end.duration_since(now)) {
            Ok(left) if left >= min_valid && !left.is_zero() => {
                (Verdict::Ok, format!("valid for {}", length(left)))
            }
            Ok(left) if !left.is_zero() => {
                // Rounded, it may read like what was asked for.
                let under = if length(left) == length(min_valid) { "just under " } else { "" };
                (Verdict::NotOk, format!("valid for {under}{} only", length(left)))
            }
            _ if end <= Timestamp::UNIX_EPOCH => (Verdict::NotOk, "expired".to_owned()),
            _ => (Verdict::NotOk, format!("expired {} ago", length(end.duration_since(now).unsigned_abs()))),
        }
    }

    /// What gets a new token: a refresh where there is a refresh token, else a login.
    fn new_token(&self, now: Timestamp) -> String {
        let name = &self.seen.entry.server_name;
        let expired = self.seen.expiry.moment().is_some_and(|end| end <= now);
        match self.seen.refresh {
            // What has expired is due.
            Some(_) if self.seen.entry.access_token.is_some() && expired => refresh(name),
            Some(_) if self.seen.entry.access_token.is_some() => refresh_by_force(name),
            _ => login(name, &self.store),
        }
    }

    /// The agent lets it expire until somebody is expected, which is wrong only for somebody who needs it now.
    pub(super) fn rests(&mut self, now: Timestamp, needed_now: bool) {
        let left = self.seen.expiry.moment().map(|end| end.duration_since(now)).unwrap_or_default();
        let end = self.reasons.pop().unwrap_or_default();
        if needed_now {
            self.cure = Some(refresh(&self.seen.entry.server_name));
            self.reasons.push(format!("resting, {end}"));
            return;
        }
        self.verdict = Verdict::Ok;
        self.cure = None;
        // That an expired token is refused says nothing.
        self.asks = left.is_positive();
        self.reasons.push(format!("resting, {end}: the agent refreshes it before the next use"));
    }

    /// Its server issues tokens that live shorter than is asked for: while it is valid that is wrong only where somebody said for how long.
    pub(super) fn is_short_lived(&mut self, now: Timestamp, asked: bool) {
        let valid = self.seen.expiry.moment().is_some_and(|end| end > now);
        if !valid || self.seen.refresh.is_none() {
            return;
        }
        let reason = self.reasons.pop().unwrap_or_default();
        self.reasons.push(format!("{}: its tokens never live longer", reason.trim_end_matches(" only")));
        // A refresh would bring another one of the same kind.
        self.cure = None;
        if !asked {
            self.verdict = Verdict::Ok;
        }
    }

    /// Its refresh failed and the agent tries again: one by force would only meet the same failure.
    pub(super) fn is_tried_again(&mut self, entry: &EntryStatus) {
        let detail =
            entry.last.as_ref().map(|last| visible(&last.detail)).filter(|detail| !detail.is_empty());
        let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
        self.reasons.push(format!("the last refresh failed{detail}, and the agent retries by itself"));
        self.cure = None;
        self.waits = true;
    }

    /// A refresh gets it a new token without being forced to.
    pub(super) fn is_due(&mut self) {
        if self.seen.refresh.is_some() && self.seen.entry.access_token.is_some() {
            self.cure = Some(refresh(&self.seen.entry.server_name));
        }
    }

    /// Somebody asks for more than any token of this server is known to live: while it is valid, another one may be no better.
    pub(super) fn may_be_short_lived(&mut self, now: Timestamp) {
        let valid = self.seen.expiry.moment().is_some_and(|end| end > now);
        if valid && self.seen.refresh.is_some() {
            self.reasons.push("whether a new token lives longer is not known".to_owned());
            self.cure = None;
        }
    }

    /// Takes in what its server says.
    pub(super) fn answered(&mut self, answer: &Result<Probe, SendError>) {
        let (live, reason) = live(answer);
        self.live = Some(live);
        self.reasons.push(reason);
        match live {
            Live::Accepted => {}
            Live::Refused => {
                self.verdict = Verdict::NotOk;
                // One cure for both: what renews an expired token renews a refused one.
                let cure = self.cure.take();
                self.cure = cure.or_else(|| (!self.waits).then(|| self.new_token(Timestamp::now())));
            }
            Live::Limited => {
                self.verdict = Verdict::NotOk;
                // A refresh gives no more scope than the login has.
                self.cure = Some(login(&self.seen.entry.server_name, &self.store));
            }
            Live::NotAllowed => self.verdict = Verdict::NotOk,
            Live::Unanswered if self.verdict == Verdict::Ok => self.verdict = Verdict::Unknown,
            Live::Unanswered => {}
        }
    }

    /// No new token could be saved, whoever gets it.
    pub(super) fn is_held_up(&mut self, blocked: Unwritable) {
        self.reasons.push(blocked.why);
        self.cure = blocked.command;
    }

    /// Its entry names no server to ask.
    pub(super) fn has_no_server(&mut self) {
        self.verdict = Verdict::NotOk;
        self.reasons.push("the entry names no server to ask".to_owned());
    }

    /// What it is called.
    pub(super) fn named(&self) -> Named<'_> {
        let entry = &self.seen.entry;
        Named { name: &entry.server_name, key: entry.key.as_str(), store: &self.store }
    }

    /// `NAME: ok: REASON; REASON; type: COMMAND`.
    pub(super) fn line(&self, label: &str) -> String {
        let mut parts = self.reasons.clone();
        parts.extend(self.cure.as_ref().map(|cure| format!("type: {cure}")));
        format!("{label}: {}: {}\n", self.verdict.wording(), parts.join("; "))
    }
}

fn live(answer: &Result<Probe, SendError>) -> (Live, String) {
    match answer {
        Ok(Probe { status: status @ 200..=299, .. }) => {
            (Live::Accepted, format!("the server accepts it (HTTP {status})"))
        }
        Ok(Probe { status: 401, .. }) => (Live::Refused, "the server refuses it (HTTP 401)".to_owned()),
        Ok(Probe { status: 403, .. }) => {
            (Live::Limited, "the server accepts it, but not for what a session needs (HTTP 403)".to_owned())
        }
        Ok(Probe { status, .. }) => {
            (Live::Unanswered, format!("the server's answer says nothing about it (HTTP {status})"))
        }
        Err(error @ SendError::Unsent { kind: UnsentKind::NotAllowed, .. }) => {
            (Live::NotAllowed, format!("the server cannot be asked: {}", visible(&error.to_string())))
        }
        Err(error) => {
            (Live::Unanswered, format!("the server cannot be reached: {}", visible(&error.to_string())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claude_store::Document;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    /// An entry that expires in so many seconds, checked for ten minutes.
    fn checked(expires_in: i64, refresh: &str) -> Checked {
        checked_for(600, expires_in, refresh)
    }

    fn checked_for(min_valid: u64, expires_in: i64, refresh: &str) -> Checked {
        let at = now().as_millisecond() + expires_in * 1000;
        let text = format!(
            r#"{{"mcpOAuth":{{"lab|1":{{"serverName":"lab","serverUrl":"https://lab.test","accessToken":"at_made_up","refreshToken":"{refresh}","expiresAt":{at}}}}}}}"#
        );
        let document = Document::parse(text.as_bytes()).unwrap();
        let seen = ObservedEntry::new(document.entries().next().unwrap().clone());
        Checked::by_the_store(seen, String::new(), now(), Duration::from_secs(min_valid))
    }

    fn status(status: u16) -> Result<Probe, SendError> {
        Ok(Probe { status, date: None })
    }

    fn unsent(kind: UnsentKind) -> Result<Probe, SendError> {
        Err(SendError::Unsent { why: "no route to host".into(), kind })
    }

    fn line(mut checked: Checked, answer: &Result<Probe, SendError>) -> String {
        checked.answered(answer);
        checked.line("lab")
    }

    #[test]
    fn what_falls_short_by_seconds_does_not_read_like_what_was_asked_for() {
        for (left, expected) in [(3597, "just under 1 h"), (3000, "50 min"), (9, "9 s")] {
            let told = checked_for(3600, left, "rt").line("lab");
            assert!(told.starts_with(&format!("lab: not ok: valid for {expected} only; ")), "{told}");
        }
    }

    #[test]
    fn an_expired_token_that_is_refused_too_has_one_cure() {
        let told = line(checked(-60, "rt"), &status(401));
        assert_eq!(
            told,
            "lab: not ok: expired 1 min ago; the server refuses it (HTTP 401); type: mcp-refreshd refresh lab\n"
        );
        let told = line(checked(-60, ""), &status(401));
        assert!(
            told.ends_with("; type: claude mcp login lab\n") && told.matches("type: ").count() == 1,
            "{told}"
        );
        // What the records know to be needed stays.
        let mut ended = checked(-60, "rt");
        ended.cure = Some("claude mcp login lab".into());
        let told = line(ended, &status(401));
        assert!(told.ends_with("; type: claude mcp login lab\n") && !told.contains("--force"), "{told}");
    }

    #[test]
    fn a_refresh_is_forced_only_where_that_helps() {
        let told = |change: &dyn Fn(&mut Checked)| {
            let mut checked = checked(300, "rt");
            change(&mut checked);
            checked.line("lab")
        };
        assert!(told(&|_| {}).ends_with("; type: mcp-refreshd refresh lab --force\n"));
        assert!(told(&Checked::is_due).ends_with(" only; type: mcp-refreshd refresh lab\n"));
        let told = told(&|checked| checked.may_be_short_lived(now()));
        assert!(told.ends_with(" only; whether a new token lives longer is not known\n"), "{told}");
        let mut ended = checked(-60, "");
        ended.is_due();
        assert!(ended.line("lab").ends_with("; type: claude mcp login lab\n"));
    }

    #[test]
    fn a_refused_token_without_refresh_token_needs_a_login() {
        assert!(line(checked(3600, ""), &status(401)).ends_with("; type: claude mcp login lab\n"));
        assert!(line(checked(3600, "rt"), &status(403)).ends_with("; type: claude mcp login lab\n"));
    }

    #[test]
    fn a_server_that_says_nothing_of_a_valid_token_leaves_it_open() {
        let silent = [status(500), status(404), unsent(UnsentKind::Dns), unsent(UnsentKind::Certificate)];
        for answer in &silent {
            let told = line(checked(3600, "rt"), answer);
            assert!(told.starts_with("lab: unknown: valid for 1 h; ") && !told.contains("type:"), "{told}");
            // An expired one is not valid, whoever cannot be asked.
            assert!(line(checked(-60, "rt"), answer).starts_with("lab: not ok: expired 1 min ago; "));
        }
        assert!(line(checked(3600, "rt"), &unsent(UnsentKind::NotAllowed)).starts_with("lab: not ok: "));
        assert!(line(checked(3600, "rt"), &status(200)).starts_with("lab: ok: "));
    }
}
