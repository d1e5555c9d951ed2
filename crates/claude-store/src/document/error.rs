use crate::EntryKey;
use crate::json::{Object, describe};
use serde_json::error::Category;

/// The remedy for an unreadable document, part of every message.
const CURE: &str = "; restore the latest backup, or move it away and log in again: to Claude Code, and with `claude mcp login`";

/// Why bytes are not a credential document. Never quotes any of them: they contain secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Only white space.
    #[error("the document is empty{CURE}")]
    Empty,
    /// A byte order mark, as some editors on Windows write it. The client takes such a document for an empty one and replaces it
    /// (measured with 2.1.332).
    #[error(
        "the document begins with a byte order mark, and Claude Code would lose every login in it; before Claude Code starts again, \
         save it as UTF-8 without a byte order mark"
    )]
    ByteOrderMark,
    /// Invalid UTF-8.
    #[error("the document is not valid UTF-8 (at byte offset {offset}){CURE}")]
    NotUtf8 {
        /// Bytes from the start.
        offset: usize,
    },
    /// NUL bytes, as file systems leave after a power cut.
    #[error(
        "the document contains NUL bytes (the first at offset {offset}), probably after a power cut{CURE}"
    )]
    NulBytes {
        /// Bytes from the start.
        offset: usize,
    },
    /// The text ends too early.
    #[error("the document ends unexpectedly (line {line}, column {column}): half-written or truncated{CURE}")]
    CutOff {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
    /// The text is not JSON.
    #[error("the document is not valid JSON (line {line}, column {column}){CURE}")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("the document must be a JSON object, not {found}{CURE}")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// `mcpOAuth` is not an object.
    #[error("`mcpOAuth` must be a JSON object, not {found}{CURE}")]
    EntriesNotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// `mcpOAuth` appears more than once.
    #[error("`mcpOAuth` appears more than once in the document{CURE}")]
    EntriesTwice,
}

impl DocumentError {
    /// Whether this may be an old client's write in progress: worth rereading a moment later.
    #[must_use]
    pub fn may_be_half_written(&self) -> bool {
        matches!(self, Self::Empty | Self::CutOff { .. } | Self::NulBytes { .. } | Self::NotUtf8 { .. })
    }
}

/// A malformed entry. It is left alone, byte for byte; the others are unaffected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry `{key}`: {why}")]
pub struct EntryProblem {
    /// The entry.
    pub key: EntryKey,
    /// What is wrong, without any of the entry's content.
    pub why: String,
}

/// The bytes as text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, DocumentError> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            return Err(nul(bytes).unwrap_or(DocumentError::NotUtf8 { offset: error.valid_up_to() }));
        }
    };
    if text.trim_ascii().is_empty() { Err(DocumentError::Empty) } else { Ok(text) }
}

/// Why `text` could not be parsed.
pub(super) fn not_readable(text: &str, error: &serde_json::Error) -> DocumentError {
    if let Some(nul) = nul(text.as_bytes()) {
        return nul;
    }
    if text.starts_with('\u{feff}') {
        return DocumentError::ByteOrderMark;
    }
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Eof => DocumentError::CutOff { line, column },
        Category::Syntax | Category::Io => DocumentError::NotJson { line, column },
        // Some value is not an object: the document itself, or else its entries.
        Category::Data => match Object::parse(text) {
            Err(error) if error.classify() == Category::Data => {
                DocumentError::NotAnObject { found: describe(text) }
            }
            Err(error) => not_readable(text, &error),
            Ok(object) => {
                let entries = object.members.iter().find(|member| member.key == "mcpOAuth");
                DocumentError::EntriesNotAnObject {
                    found: entries.map_or("nothing", |raw| describe(raw.value)),
                }
            }
        },
    }
}

fn nul(bytes: &[u8]) -> Option<DocumentError> {
    bytes.iter().position(|byte| *byte == 0).map(|offset| DocumentError::NulBytes { offset })
}
