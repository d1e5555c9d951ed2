use crate::EntryKey;
use crate::json::{Object, describe};
use serde_json::error::Category;

/// What to do about a document that cannot be read, in every message.
const CURE: &str = "; restore its newest backup, or move it away and log in again, to Claude Code itself and with `claude mcp login`";

/// Why bytes are not a document of the client. Never shows any of them: they hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Nothing but white space.
    #[error("the document is empty{CURE}")]
    Empty,
    /// Bytes that are no UTF-8.
    #[error("the document is not UTF-8 text: the byte at offset {offset} cannot be{CURE}")]
    NotUtf8 {
        /// Bytes from the start.
        offset: usize,
    },
    /// NUL bytes, as a file system leaves them after a power cut.
    #[error(
        "the document holds NUL bytes (the first at offset {offset}), as a power cut can leave them{CURE}"
    )]
    NulBytes {
        /// Bytes from the start.
        offset: usize,
    },
    /// The text ends too early.
    #[error("the document ends in the middle (line {line}, column {column}): half-written or cut off{CURE}")]
    CutOff {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
    /// The text is not JSON.
    #[error("the document is not JSON: wrong at line {line}, column {column}{CURE}")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
    /// JSON, but no object.
    #[error("the document is {found} where an object is expected{CURE}")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// `mcpOAuth` is something else.
    #[error("`mcpOAuth` is {found} where an object is expected{CURE}")]
    EntriesNotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// `mcpOAuth` is there more than once.
    #[error("`mcpOAuth` stands in the document more than once{CURE}")]
    EntriesTwice,
}

impl DocumentError {
    /// Whether this is what a reader sees while an old client writes in place: worth reading again a moment later.
    #[must_use]
    pub fn may_be_half_written(&self) -> bool {
        matches!(self, Self::Empty | Self::CutOff { .. } | Self::NulBytes { .. } | Self::NotUtf8 { .. })
    }
}

/// An entry that makes no sense. It is left alone, byte for byte; the other entries go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry `{key}`: {why}")]
pub struct EntryProblem {
    /// The entry.
    pub key: EntryKey,
    /// What is wrong with it, without any of its content.
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

/// Why `text` could not be read.
pub(super) fn not_readable(text: &str, error: &serde_json::Error) -> DocumentError {
    if let Some(nul) = nul(text.as_bytes()) {
        return nul;
    }
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Eof => DocumentError::CutOff { line, column },
        Category::Syntax | Category::Io => DocumentError::NotJson { line, column },
        // Something is no object. Where the document is one, its entries are not.
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
