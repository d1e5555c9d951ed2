//! The journal's lines, and how they combine.

use super::error::{JournalError, io_error};
use super::version::VERSION;
use super::{Intent, TransactionId, Unfinished};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claude_store::LeftLock;
use jiff::Timestamp;
use oauth_secret::{SecretBytes, TokenDigest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use token_endpoint::RawAnswer;
use zeroize::Zeroizing;

/// No journal reaches this number. A larger one is damage, and must not become the next number.
const LAST_ID: u64 = u64::MAX / 2;

/// Bytes of a line without its tokens.
const ROOM: usize = 4096;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Journal { version: u32 },
    Intent { id: TransactionId, intent: Box<Intent> },
    Answer { id: TransactionId, sent_at: Timestamp, answer: Zeroizing<String> },
    Superseded { id: TransactionId, by: TokenDigest },
    Writing { id: TransactionId, lock: LeftLock },
    Done { id: TransactionId },
}

impl Line {
    /// The transaction it belongs to.
    fn id(&self) -> Option<TransactionId> {
        match self {
            Self::Journal { .. } => None,
            Self::Intent { id, .. }
            | Self::Answer { id, .. }
            | Self::Superseded { id, .. }
            | Self::Writing { id, .. }
            | Self::Done { id } => Some(*id),
        }
    }

    /// Enough bytes for the whole line: a growing buffer would leave copies of its tokens behind.
    fn room(&self) -> usize {
        let tokens = match self {
            Self::Answer { answer, .. } => answer.len(),
            Self::Intent { intent, .. } => {
                intent.heal.as_ref().map_or(0, |members| members.refresh_token.len())
            }
            Self::Journal { .. } | Self::Superseded { .. } | Self::Writing { .. } | Self::Done { .. } => 0,
        };
        ROOM + tokens
    }
}

/// The parsed content of a journal.
pub(super) struct Content {
    pub(super) lines: BTreeMap<TransactionId, Vec<SecretBytes>>,
    pub(super) unfinished: Vec<Unfinished>,
    pub(super) damaged: usize,
    pub(super) next: u64,
}

impl Content {
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, JournalError> {
        let mut lines = BTreeMap::<TransactionId, Vec<SecretBytes>>::new();
        let mut unfinished = BTreeMap::<TransactionId, Unfinished>::new();
        let (mut damaged, mut next, mut is_journal) = (0, 1, false);
        for raw in bytes.split_inclusive(|byte| *byte == b'\n').filter(|raw| raw.iter().any(|b| *b != b'\n'))
        {
            let line = serde_json::from_slice::<Line>(raw).ok();
            let Some(line) = line.filter(|line| line.id().is_none_or(|id| id.0 <= LAST_ID)) else {
                damaged += 1;
                continue;
            };
            // A line without a transaction is useless, and must not keep the journal from being emptied.
            let opens_or_ends = matches!(line, Line::Intent { .. } | Line::Done { .. });
            let orphan = !opens_or_ends && line.id().is_some_and(|id| !unfinished.contains_key(&id));
            if orphan {
                damaged += 1;
                continue;
            }
            let id = match line {
                Line::Journal { version } if version > VERSION => {
                    return Err(JournalError::Newer { path: path.to_owned(), found: version });
                }
                Line::Journal { .. } => {
                    is_journal = true;
                    continue;
                }
                Line::Intent { id, intent } => {
                    let fresh = Unfinished::new(id, *intent);
                    unfinished.insert(id, fresh);
                    id
                }
                Line::Answer { id, sent_at, answer } => {
                    let answer = STANDARD.decode(answer.as_bytes()).ok().map(Zeroizing::new);
                    match (
                        unfinished.get_mut(&id),
                        answer.and_then(|bytes| RawAnswer::from_bytes(&bytes).ok()),
                    ) {
                        (Some(open), Some(answer)) => open.answer = Some((answer, sent_at)),
                        _ => damaged += 1,
                    }
                    id
                }
                Line::Superseded { id, by } => {
                    if let Some(open) = unfinished.get_mut(&id) {
                        open.superseded_by = Some(by);
                    }
                    id
                }
                Line::Writing { id, lock } => {
                    if let Some(open) = unfinished.get_mut(&id) {
                        open.storage_lock = Some(lock);
                    }
                    id
                }
                Line::Done { id } => {
                    unfinished.remove(&id);
                    lines.remove(&id);
                    next = next.max(id.0 + 1);
                    continue;
                }
            };
            next = next.max(id.0 + 1);
            let mut kept = raw.to_vec();
            if !kept.ends_with(b"\n") {
                kept.push(b'\n');
            }
            lines.entry(id).or_default().push(SecretBytes::from(kept));
        }
        if !is_journal && !bytes.is_empty() && (damaged > 1 || !unfinished.is_empty()) {
            return Err(JournalError::Foreign { path: path.to_owned(), why: "its first line is missing" });
        }
        Ok(Self { lines, unfinished: unfinished.into_values().collect(), damaged, next })
    }
}

pub(super) fn encode(line: &Line, path: &Path) -> Result<SecretBytes, JournalError> {
    let mut bytes = SecretBytes::with_capacity(line.room());
    serde_json::to_writer(&mut *bytes, line).map_err(|error| io_error("write to", path, error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_long_answer_does_not_grow() {
        let answer = Zeroizing::new("e30".repeat(10_000));
        let line = Line::Answer { id: TransactionId(1), sent_at: Timestamp::UNIX_EPOCH, answer };
        let room = line.room();
        let written = encode(&line, Path::new("journal")).unwrap();
        assert!(written.len() > 30_000);
        assert_eq!(written.capacity(), room);
    }

    #[test]
    fn a_line_without_a_transaction_opens_none() {
        let digest = TokenDigest::of("rt_new");
        for orphan in [
            "{\"answer\":{\"id\":1,\"sent_at\":\"2026-11-24T00:00:00Z\",\"answer\":\"e30=\"}}".to_owned(),
            format!("{{\"superseded\":{{\"id\":1,\"by\":\"{digest}\"}}}}"),
            "{\"writing\":{\"id\":1,\"lock\":{\"identity\":{\"device\":1,\"inode\":2,\"born\":null},\"modified\":{\"secs_since_epoch\":3,\"nanos_since_epoch\":4}}}}".to_owned(),
        ] {
            for header in ["", "{\"journal\":{\"version\":1}}\n"] {
                let read =
                    Content::parse(format!("{header}{orphan}\n").as_bytes(), Path::new("journal")).unwrap();
                assert!(read.lines.is_empty() && read.unfinished.is_empty(), "{orphan}");
                assert_eq!(read.damaged, 1);
            }
        }
    }

    #[test]
    fn an_impossible_number_is_damage_and_is_not_continued() {
        let journal = |id: u64| format!("{{\"journal\":{{\"version\":1}}}}\n{{\"done\":{{\"id\":{id}}}}}\n");
        for (id, damaged, next) in
            [(7, 0, 8), (LAST_ID, 0, LAST_ID + 1), (LAST_ID + 1, 1, 1), (u64::MAX, 1, 1)]
        {
            let read = Content::parse(journal(id).as_bytes(), Path::new("journal")).unwrap();
            assert_eq!((read.damaged, read.next), (damaged, next), "{id}");
        }
    }
}
