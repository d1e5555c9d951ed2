//! `status --watch`: shown again whenever something changed.

use super::everything::everything;
use super::overview::overview;
use super::reason::reason;
use super::remarks::{exit, left_alone, remarks, without_agent};
use super::selection::{of_store, only};
use super::text::{detailed, wording};
use crate::commands::history::Recent;
use crate::control::report::{EntryStatus, Status};
use crate::platform::signals::{self, Ends};
use crate::settings::paths::Paths;
use crate::terminal::columns::{cut, folded, width};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::local::Local;
use crate::terminal::output::{self, Reader};
use crate::terminal::paragraph::paragraphs;
use crate::terminal::style::Style;
use crate::terminal::wording::{outcome_words, visible};
use compact::Arrange as _;
use compact::Map;
use refresh_engine::LastRefresh;
use std::path::Path;
use std::time::Duration;

/// How often the agent is asked. Nobody reads faster, and an answer costs it next to nothing.
const PACE: Duration = Duration::from_secs(1);

/// Shows everything, or one server, until a signal ends it; the exit code is that of what was shown last.
///
/// # Errors
/// It cannot be shown even once.
pub(crate) async fn watch(paths: &Paths, name: Option<&str>, store: Option<&Path>) -> Result<Exit, Failure> {
    let (mut ends, mut hangup, mut resized) = (Ends::new()?, signals::hangup()?, signals::resized()?);
    let local = Local::now();
    let mut status = narrowed(of_store(paths, everything(paths).await?, store)?, name)?;
    let (mut screen, mut journal) = (Screen::default(), Journal::default());
    let (mut recent, mut trouble) = (Recent::default(), None);
    loop {
        let (style, local) = (Style::of_stdout(), local.again());
        let text = match style.size {
            Some((columns, rows)) if style.cursor => {
                let above = match name {
                    Some(_) => {
                        recent.look_again(&paths.state, &status);
                        detailed(&status, &recent, &local, &style)
                    }
                    None => overview(&status, &local, &style),
                };
                let mut below = if name.is_some() { without_agent(&status, &local) } else { Vec::new() };
                below.extend(remarks(&status, &local));
                below.extend(trouble.clone());
                let below = below.iter().flat_map(|remark| paragraphs(remark, columns, &style));
                screen.show(&frame(&above, below.collect(), columns, rows))
            }
            _ => journal.news(&status, trouble.as_deref(), &local),
        };
        let reader = if text.is_empty() { output::reader() } else { output::part(&text)? };
        if reader == Reader::Gone {
            return Ok(exit(&status));
        }
        tokio::select! {
            () = tokio::time::sleep(PACE) => {}
            _ = resized.recv() => screen.forget(),
            _ = ends.next() => break,
            _ = hangup.recv() => break,
        }
        // What fails now may work in a second: while the agent restarts, for example.
        match everything(paths).await.and_then(|status| narrowed(of_store(paths, status, store)?, name)) {
            Ok(new) => (status, trouble) = (new, None),
            Err(failure) => trouble = Some(failure.message().to_owned()),
        }
    }
    // Over the terminal's own "^C".
    if screen.lines > 0 {
        output::result("\r\u{1b}[K")?;
    }
    Ok(exit(&status))
}

fn narrowed(status: Status, name: Option<&str>) -> Result<Status, Failure> {
    match name {
        None => Ok(status),
        Some(name) => only(status, name),
    }
}

/// What fits on a screen, its last row left for the cursor; where something is missing the remarks stay.
pub(super) fn frame(above: &str, below: Vec<String>, columns: usize, rows: usize) -> Vec<String> {
    let room = rows.saturating_sub(1).max(1);
    let mut lines: Vec<String> = above.lines().flat_map(|line| fitting(line, columns)).collect();
    let least = lines.len().min(2);
    let for_lines = room.saturating_sub(below.len()).max(least).min(room);
    if lines.len() > for_lines {
        let missing = lines.len() - for_lines.saturating_sub(1);
        lines.truncate(for_lines.saturating_sub(1));
        lines.push(cut(&format!("({missing} more lines)"), columns));
    }
    lines.extend(below);
    lines.truncate(room);
    lines
}

/// A line that is too long goes on in the next, so that a command can be read to its end. What is painted has no longer lines.
fn fitting(line: &str, columns: usize) -> Vec<String> {
    if width(line) <= columns || line.contains('\u{1b}') {
        vec![line.to_owned()]
    } else {
        folded(line, columns)
    }
}

/// What stands on the terminal.
#[derive(Debug, Default)]
pub(super) struct Screen {
    shown: Vec<String>,
    lines: usize,
    /// The terminal laid out anew what stood there, so nothing is known about it.
    lost: bool,
}

impl Screen {
    /// The terminal's size changed.
    fn forget(&mut self) {
        self.lost = true;
    }

    /// What is to be written so that these lines stand there; nothing where they do already. One write that goes over the old lines
    /// in place: nothing is blank for a moment, so nothing flickers.
    pub(super) fn show(&mut self, lines: &[String]) -> String {
        if !self.lost && self.shown == lines {
            return String::new();
        }
        // Without wrapping a line is a row, whatever the terminal thinks of a character's width.
        let mut text = String::from("\u{1b}[?7l");
        match (std::mem::take(&mut self.lost), self.lines) {
            (true, _) => text.push_str("\u{1b}[H\u{1b}[2J"),
            (false, 0) => {}
            (false, up) => text.push_str(&format!("\r\u{1b}[{up}A")),
        }
        for line in lines {
            text.push_str(&format!("{line}\u{1b}[K\r\n"));
        }
        text.push_str("\u{1b}[J\u{1b}[?7h");
        self.lines = lines.len();
        self.shown = lines.to_vec();
        text
    }
}

/// What was said to a reader that is no terminal.
#[derive(Debug, Default)]
pub(super) struct Journal {
    servers: Map<(String, String), EntryStatus>,
    remarks: Vec<String>,
    begun: bool,
}

impl Journal {
    /// A line for everything that is new since the last time.
    pub(super) fn news(&mut self, status: &Status, trouble: Option<&str>, local: &Local) -> String {
        let at = local.exact(local.now);
        let mut text = String::new();
        if trouble.is_none() {
            let mut entries: Vec<_> = status
                .stores
                .iter()
                .flat_map(|store| store.entries.iter().map(move |entry| (store, entry)))
                .collect();
            entries.arrange_by_key(|(_, entry)| (entry.state, &entry.name));
            let mut gone = std::mem::take(&mut self.servers);
            for (store, entry) in entries {
                let key = (store.location.clone(), entry.key.clone());
                if gone.remove(&key).is_none_or(|before| differs(&before, entry)) {
                    text.push_str(&format!("{at}  {}\n", told(entry, store.unwatched, local)));
                }
                self.servers.insert(key, entry.clone());
            }
            // A store that cannot be read for a moment has lost nothing.
            let unreadable = status.stores.iter().filter(|store| store.unreadable.is_some() && !store.absent);
            let unreadable: Vec<_> = unreadable.map(|store| &store.location).collect();
            for (key, entry) in gone {
                if unreadable.contains(&&key.0) {
                    self.servers.insert(key, entry);
                } else {
                    text.push_str(&format!("{at}  {}  removed\n", visible(&entry.name)));
                }
            }
        }
        let mut said = Vec::new();
        if trouble.is_none() {
            said.extend(without_agent(status, local));
            said.extend(left_alone(status));
            said.extend(remarks(status, local));
        }
        said.extend(trouble.map(str::to_owned));
        for remark in said.iter().filter(|remark| !self.remarks.contains(remark)) {
            text.push_str(&format!("{at}  {remark}\n"));
        }
        if self.remarks.iter().any(|remark| !said.contains(remark)) && said.is_empty() {
            text.push_str(&format!("{at}  the agent is running; no problem with it or the stores\n"));
        } else if !self.begun && text.is_empty() {
            text.push_str(&format!("{at}  no servers with a login yet\n"));
        }
        self.begun = true;
        self.remarks = said;
        text
    }
}

/// Whether anything but the time has changed.
fn differs(before: &EntryStatus, now: &EntryStatus) -> bool {
    (before.state, before.expires_at, &before.action, &before.unsaved)
        != (now.state, now.expires_at, &now.action, &now.unsaved)
        || before.last.as_ref().map(|last| last.at) != now.last.as_ref().map(|last| last.at)
}

fn told(entry: &EntryStatus, unwatched: bool, local: &Local) -> String {
    let mut parts = vec![visible(&entry.name), wording(entry.state).to_owned()];
    parts.extend(entry.expires_at.map(|at| {
        if at > local.now {
            format!("{} left", local.away(at))
        } else {
            format!("expired {}", local.relative(at))
        }
    }));
    let words =
        |last: &LastRefresh| if last.is_not_savable() { "not started" } else { outcome_words(last.outcome) };
    parts.extend(entry.last.as_ref().map(|last| words(last).to_owned()));
    parts.extend(entry.action.as_ref().map(|action| format!("type: {action}")));
    parts.extend(reason(entry, unwatched, local).map(|why| format!("# {why}")));
    parts.join("  ")
}
