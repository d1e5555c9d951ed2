//! The list of events.

use super::summary::store_marks;
use crate::observers::history::line::Line;
use crate::terminal::columns::{fitted, labelled, padded, shortened, width};
use crate::terminal::style::Style;
use crate::terminal::wording::{length, visible};
use compact::{Map, Set};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Longer names are cut on a terminal.
const LONGEST_NAME: usize = 20;

/// How moments are written.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pub(super) zone: TimeZone,
    /// With their distance from UTC, for programs.
    pub(super) exact: bool,
}

impl Clock {
    /// For a reader of this style.
    pub(super) fn new(zone: TimeZone, style: &Style) -> Self {
        Self { zone, exact: style.size.is_none() }
    }

    pub(super) fn time(&self, at: Timestamp) -> String {
        self.formatted(at, if self.exact { "%Y-%m-%dT%H:%M:%S%:z" } else { "%Y-%m-%d %H:%M:%S" })
    }

    /// A moment beside another one: the date only where it is another day.
    fn beside(&self, at: Timestamp, other: Timestamp) -> String {
        let day = |at: Timestamp| at.to_zoned(self.zone.clone()).date();
        if self.exact || day(at) != day(other) { self.time(at) } else { self.formatted(at, "%H:%M:%S") }
    }

    fn formatted(&self, at: Timestamp, format: &str) -> String {
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }
}

/// One line for each event, newest last. On a terminal long names are cut and long lines wrapped, in a pipe nothing.
pub(super) fn events(lines: &[&Line], style: &Style, clock: &Clock) -> String {
    let columns = style.size.map(|(columns, _)| columns);
    let stores = Stores::of(lines);
    let name = |line: &Line| {
        let Some(name) = line.server.as_deref() else { return "-".to_owned() };
        let mark = stores.mark(line).map(|mark| format!(" ({})", visible(mark))).unwrap_or_default();
        match columns {
            None => format!("{}{mark}", visible(name)),
            Some(_) => {
                let name = shortened(&style.shows(&visible(name)), LONGEST_NAME);
                style.shows(&format!("{name}{mark}")).into_owned()
            }
        }
    };
    let names = lines.iter().map(|line| width(&name(line))).max().unwrap_or(0);
    let event = |line: &&Line| {
        let head = format!("{}  {}  ", clock.time(line.at), padded(&name(line), names));
        labelled(&head, style.shows(&story(line, clock)).trim_end(), columns)
    };
    fitted(&lines.iter().map(event).collect::<String>(), columns)
}

/// The stores of servers, where a name is that of several.
struct Stores<'a> {
    of: Map<&'a str, Set<&'a str>>,
    marks: Map<&'a str, String>,
}

impl<'a> Stores<'a> {
    fn of(lines: &[&'a Line]) -> Self {
        let mut of = Map::<_, Set<_>>::new();
        for (server, store) in
            lines.iter().filter_map(|line| line.server.as_deref().zip(line.store.as_deref()))
        {
            of.entry(server).or_default().insert(store);
        }
        let marks = store_marks(of.values().flatten().copied());
        Self { of, marks }
    }

    fn mark(&self, line: &Line) -> Option<&str> {
        let several = self.of.get(line.server.as_deref()?).is_some_and(|stores| stores.len() > 1);
        self.marks.get(line.store.as_deref().filter(|_| several)?).map(String::as_str)
    }
}

/// One event of a known server.
pub(super) fn event(line: &Line, clock: &Clock) -> String {
    format!("{} {}", clock.time(line.at), story(line, clock)).trim_end().to_owned()
}

fn story(line: &Line, clock: &Clock) -> String {
    let mut story = line.event.wording().to_owned();
    match (line.before, line.after) {
        (Some(before), Some(after)) if before != after => story.push_str(&format!(" {before} -> {after}")),
        (_, Some(after)) => story.push_str(&format!(" {after}")),
        (Some(before), None) => story.push_str(&format!(" {before}")),
        (None, None) => {}
    }
    if let Some(since) = line.since {
        let time = length(line.at.duration_since(since).unsigned_abs());
        story.push_str(&format!(" {time}, since {}", clock.beside(since, line.at)));
    }
    if let Some(expires_at) = line.expires_at {
        story.push_str(&format!(", valid until {}", clock.beside(expires_at, line.at)));
    }
    if let Some(cause) = &line.cause {
        story.push_str(&format!(": {}", visible(cause)));
    }
    story
}
