//! The names of servers in a column.

use crate::control::report::EntryStatus;
use crate::terminal::columns::{beginning, ending, width};
use crate::terminal::style::Style;
use crate::terminal::wording::visible;
use compact::Arrange as _;

/// The names of a store's entries; each with its URL where another one has the same name, with its key where that has the same URL, too.
pub(super) fn names(entries: &[&EntryStatus]) -> Vec<String> {
    let mut sorted: Vec<_> =
        entries.iter().map(|entry| (entry.name.as_str(), entry.url.as_deref())).collect();
    sorted.arrange();
    let name = |entry: &&EntryStatus| {
        let first = sorted.partition_point(|(name, _)| *name < entry.name.as_str());
        let namesakes = sorted.get(first..).unwrap_or_default().iter();
        name(entry, namesakes.take_while(|(name, _)| *name == entry.name).map(|(_, url)| *url))
    };
    entries.iter().map(name).collect()
}

/// With the URLs of all that have its name, its own among them.
fn name<'a>(entry: &EntryStatus, namesakes: impl Iterator<Item = Option<&'a str>> + Clone) -> String {
    if namesakes.clone().nth(1).is_none() {
        return visible(&entry.name);
    }
    if entry.key.is_empty() {
        return visible(&format!("{} (not understood)", entry.name));
    }
    let same_url = namesakes.filter(|url| *url == entry.url.as_deref()).count() > 1;
    let mark = entry.url.as_deref().filter(|_| !same_url).unwrap_or(&entry.key);
    let mark = mark.split_once("://").map_or(mark, |(_, rest)| rest);
    visible(&format!("{} ({mark})", entry.name))
}

/// The names in at most this many columns: cut in the middle, so that beginning and end stay, and wherever possible so that they differ.
pub(super) fn cut_names(names: &[String], columns: usize, style: &Style) -> Vec<String> {
    let room = columns.saturating_sub(1);
    let shown: Vec<_> = names.iter().map(|name| style.shows(name).into_owned()).collect();
    let cut = |head: usize| -> Vec<String> {
        let one = |name: &String| {
            if width(name) <= columns {
                return name.clone();
            }
            let (start, end) = (beginning(name, head), ending(name, room.saturating_sub(head)));
            style.shows(&format!("{start}…{end}")).into_owned()
        };
        shown.iter().map(one).collect()
    };
    let differ = |names: &Vec<String>| {
        let mut sorted: Vec<_> = names.iter().collect();
        sorted.arrange();
        sorted.dedup();
        sorted.len()
    };
    // Most to the left of equals: two halves first, then more of the end, then more of the beginning.
    let ways = [room / 2, room / 4, room.saturating_sub(room / 4), 0, room];
    let candidates = ways.map(cut);
    let best = candidates.iter().map(differ).max().unwrap_or(0);
    candidates.into_iter().find(|names| differ(names) == best).unwrap_or_default()
}
