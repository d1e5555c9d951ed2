//! Each entry in one row: how it was, and how often something happened to it.

use super::coverage::{Coverage, coverage};
use crate::observers::history::line::{Kind, Line};
use compact::Arrange as _;
use compact::{Map, Set};
use jiff::Timestamp;
use std::path::Path;

/// What the history says of one entry.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) store: String,
    pub(super) server: String,
    /// `None` if it never held a login in this time.
    pub(super) coverage: Option<Coverage>,
    pub(super) refreshes: usize,
    pub(super) failures: usize,
    pub(super) logins: usize,
    /// What happened last, and when.
    pub(super) last: Option<(Kind, Timestamp)>,
}

/// Which lines are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Only the server of this name or key.
    pub(super) name: Option<&'a str>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// The agent runs.
    pub(super) running: bool,
}

impl Asked<'_> {
    fn names(&self, server: &str, key: &str) -> bool {
        self.name.is_none_or(|name| name == server || name == key)
    }

    /// Whether an event is to be listed.
    pub(super) fn lists(&self, line: &Line) -> bool {
        let (server, key) = (line.server.as_deref().unwrap_or(""), line.key.as_deref().unwrap_or(""));
        line.event.is_shown() && line.at >= self.from && self.names(server, key)
    }
}

/// One row for each entry, by name.
pub(super) fn rows(lines: &[Line], asked: Asked<'_>) -> Vec<Row> {
    let mut rows = Map::<(String, String), Row>::new();
    for coverage in coverage(lines, asked.from, asked.until, asked.running) {
        let row = Row::new(&coverage.store, &coverage.server);
        rows.insert((coverage.store.clone(), coverage.key.clone()), Row { coverage: Some(coverage), ..row });
    }
    for line in lines.iter().filter(|line| asked.lists(line)) {
        let Some((store, key)) = line.entry() else { continue };
        let server = line.server.as_deref().unwrap_or_default();
        let row = rows.entry((store.to_owned(), key.to_owned())).or_insert_with(|| Row::new(store, server));
        row.count(line);
    }
    let asked_for =
        |((_, key), row): ((String, String), Row)| asked.names(&row.server, &key).then_some((key, row));
    let mut rows: Vec<_> = rows.into_iter().filter_map(asked_for).collect();
    rows.arrange_by(|(key, row), (key2, row2)| {
        (&row.server, &row.store, key).cmp(&(&row2.server, &row2.store, key2))
    });
    rows.into_iter().map(|(_, row)| row).collect()
}

impl Row {
    fn new(store: &str, server: &str) -> Self {
        Self {
            store: store.to_owned(),
            server: server.to_owned(),
            coverage: None,
            refreshes: 0,
            failures: 0,
            logins: 0,
            last: None,
        }
    }

    fn count(&mut self, line: &Line) {
        match line.event {
            Kind::Refreshed => self.refreshes += 1,
            Kind::Failed | Kind::NotBegun | Kind::Unsaved => self.failures += 1,
            Kind::Login => self.logins += 1,
            _ => {}
        }
        self.last = Some((line.event, line.at));
    }
}

/// What each row is called: its server's name, and where two have one name also its store.
pub(super) fn labels(rows: &[Row]) -> Vec<String> {
    let shared = |row: &Row| rows.iter().filter(|other| other.server == row.server).count() > 1;
    let marks = store_marks(rows.iter().map(|row| row.store.as_str()));
    let label = |row: &Row| match marks.get(row.store.as_str()).filter(|_| shared(row)) {
        Some(mark) => format!("{} ({mark})", row.server),
        None => row.server.clone(),
    };
    rows.iter().map(label).collect()
}

/// What tells stores apart: the name of the folder of each, or where several have the same its whole path. A Keychain item has none.
pub(super) fn store_marks<'a>(stores: impl Iterator<Item = &'a str>) -> Map<&'a str, String> {
    let folder = |store: &'a str| Path::new(store).parent().filter(|folder| folder.file_name().is_some());
    let name =
        |store| folder(store).and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let stores: Set<_> = stores.collect();
    let mark = |store: &&'a str| {
        let namesakes = stores.iter().filter(|other| name(other) == name(store)).count();
        let mark = if namesakes > 1 {
            folder(store).map(|folder| folder.display().to_string())
        } else {
            name(store)
        };
        (*store, mark.unwrap_or_else(|| (*store).to_owned()))
    };
    stores.iter().map(mark).collect()
}

/// When the picture begins: with the first thing known, so that a short life fills it.
pub(super) fn beginning(rows: &[Row], asked: Asked<'_>) -> Timestamp {
    let spans = rows.iter().filter_map(|row| row.coverage.as_ref()?.spans.first());
    spans.map(|span| span.from).min().unwrap_or(asked.from)
}
