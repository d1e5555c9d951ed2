//! The lines of the records' file, and how they combine.

use crate::Record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format this version writes. Older ones are read, newer ones refused.
pub(super) const VERSION: u32 = 2;

/// Records by store and entry. Boxed, as a map holds room for entries that are not there.
pub(super) type Stores = BTreeMap<String, BTreeMap<String, Box<Record>>>;

/// The first line of the file.
#[derive(Serialize, Deserialize)]
struct Head {
    format_version: u32,
}

/// One entry's record from this line on; `None` if it was dropped.
#[derive(Serialize, Deserialize)]
struct Line<R, S> {
    store: S,
    key: S,
    record: Option<R>,
}

/// Version 1 was a single object, in a file with another name.
#[derive(Deserialize)]
struct VersionOne {
    stores: Stores,
}

/// The parsed content of a file.
#[derive(Debug)]
pub(super) enum Content {
    Records {
        stores: Stores,
        /// The number of skipped lines, not counting a last line truncated by a crash.
        damaged: usize,
        /// Every line is complete: more may be appended.
        whole: bool,
    },
    /// Written by a newer version.
    Newer(u32),
    /// Not understood, and why.
    Damaged(String),
}

/// Parses what [`head`] and [`line`] wrote. The last line about an entry wins.
pub(super) fn parse(bytes: &[u8]) -> Content {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    match lines.next().map(serde_json::from_slice::<Head>) {
        Some(Ok(Head { format_version })) if format_version > VERSION => {
            return Content::Newer(format_version);
        }
        Some(Ok(_)) => {}
        Some(Err(error)) => return Content::Damaged(format!("line 1, column {}", error.column())),
        None => return Content::Damaged("it is empty".into()),
    }
    let (mut stores, mut damaged, mut whole) = (Stores::new(), 0, bytes.ends_with(b"\n"));
    for raw in lines {
        match serde_json::from_slice::<Line<Box<Record>, String>>(raw) {
            Ok(Line { store, key, record: Some(record) }) => {
                stores.entry(store).or_default().insert(key, record);
            }
            Ok(Line { store, key, record: None }) => {
                stores.entry(store).or_default().remove(&key);
            }
            Err(_) => {
                damaged += usize::from(raw.ends_with(b"\n"));
                whole = false;
            }
        }
    }
    Content::Records { stores, damaged, whole }
}

/// Reads what version 1 wrote.
pub(super) fn parse_version_one(bytes: &[u8]) -> Content {
    match serde_json::from_slice::<Head>(bytes) {
        Ok(Head { format_version }) if format_version > 1 => return Content::Newer(format_version),
        _ => {}
    }
    match serde_json::from_slice::<VersionOne>(bytes) {
        Ok(VersionOne { stores }) => Content::Records { stores, damaged: 0, whole: true },
        Err(error) => Content::Damaged(format!("line {}, column {}", error.line(), error.column())),
    }
}

/// The first line.
pub(super) fn head() -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(&Head { format_version: VERSION })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Appends the line with an entry's present record.
pub(super) fn line(
    bytes: &mut Vec<u8>,
    store: &str,
    key: &str,
    record: Option<&Record>,
) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *bytes, &Line { store, key, record })?;
    bytes.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(failures: u32) -> Record {
        Record { failures, ..Record::default() }
    }

    fn bytes(lines: &[(&str, Option<u32>)]) -> Vec<u8> {
        let mut bytes = head().unwrap();
        for (key, failures) in lines {
            line(&mut bytes, "store", key, failures.map(record).as_ref()).unwrap();
        }
        bytes
    }

    fn failures(content: &Content) -> Vec<(String, u32)> {
        let Content::Records { stores, .. } = content else { panic!("{content:?}") };
        stores["store"].iter().map(|(key, record)| (key.clone(), record.failures)).collect()
    }

    #[test]
    fn the_last_line_about_an_entry_wins_and_a_dropped_one_is_gone() {
        let content = parse(&bytes(&[("a", Some(1)), ("b", Some(2)), ("a", Some(3)), ("b", None)]));
        assert_eq!(failures(&content), [("a".to_owned(), 3)]);
        assert!(matches!(content, Content::Records { damaged: 0, whole: true, .. }));
    }

    #[test]
    fn after_a_crash_every_complete_line_is_read_and_no_damage_is_reported() {
        let whole = bytes(&[("a", Some(1)), ("b", Some(2)), ("a", Some(3))]);
        let head = head().unwrap().len();
        for cut in head..whole.len() {
            let content = parse(&whole[..cut]);
            let Content::Records { stores, damaged, whole: untouched } = &content else {
                panic!("{content:?}")
            };
            // A line that lacks no more than its end is read, too.
            let lines = whole[..=cut].iter().filter(|byte| **byte == b'\n').count() - 1;
            assert_eq!(stores.values().map(BTreeMap::len).sum::<usize>(), lines.min(2), "cut at {cut}");
            assert_eq!(*damaged, 0, "cut at {cut}");
            assert_eq!(*untouched, whole[cut - 1] == b'\n', "cut at {cut}");
        }
    }

    #[test]
    fn an_invalid_line_is_skipped_and_counted() {
        let mut broken = bytes(&[("a", Some(1))]);
        broken.extend_from_slice(b"\0\0\0\0\n");
        line(&mut broken, "store", "b", Some(&record(2))).unwrap();
        let content = parse(&broken);
        assert_eq!(failures(&content), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert!(matches!(content, Content::Records { damaged: 1, whole: false, .. }));
    }

    #[test]
    fn a_newer_format_is_told_from_a_damaged_file() {
        assert!(matches!(parse(b"{\"format_version\":99,\"more\":1}\n\0"), Content::Newer(99)));
        assert!(matches!(parse(b"{\"format_ver"), Content::Damaged(_)));
        assert!(matches!(parse(b""), Content::Damaged(_)));
        assert!(matches!(parse_version_one(b"{\"format_version\":2}"), Content::Newer(2)));
    }
}
