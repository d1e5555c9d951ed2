use crate::ErrorKind;
use std::time::Duration;

/// Why a document in a Keychain could not be read or written. `item` names the item.
///
/// Never includes the tool's output, which may contain part of a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeychainError {
    /// Exit code 36: the Keychain is locked, or would have to show a dialog and cannot (over SSH, before login).
    #[error(
        "the Keychain with `{item}` is locked, or cannot ask for permission (over SSH, before login); log in at the screen or run \
        `security unlock-keychain`, and mcp-refreshd continues by itself"
    )]
    Locked {
        /// The item.
        item: String,
    },
    /// Exit code 51: this program has no access to the item.
    #[error(
        "the Keychain denies /usr/bin/security access to `{item}`; open the item in Keychain Access and add `security` under Access \
        Control, or allow all applications to access it"
    )]
    Refused {
        /// The item.
        item: String,
    },
    /// Exit code 128: the user declined.
    #[error(
        "you declined access to `{item}`; mcp-refreshd asks again in {} min: then click \"Always Allow\"",
        again_in.as_secs() / 60
    )]
    Declined {
        /// The item.
        item: String,
        /// When to ask again.
        again_in: Duration,
    },
    /// Timed out: probably a dialog on the screen that nobody answers.
    #[error(
        "the Keychain did not respond for `{item}` within {} s; look for a dialog that asks for access and click \"Always Allow\", \
        or unlock the Keychain",
        limit.as_secs()
    )]
    NoAnswer {
        /// The item.
        item: String,
        /// The time limit.
        limit: Duration,
    },
    /// Exit codes 37 and 50: there is no Keychain.
    #[error(
        "no Keychain found to look up `{item}`; see `security list-keychains` and `security default-keychain`"
    )]
    NoKeychain {
        /// The item.
        item: String,
    },
    /// The tool could not be run, or failed in an unknown way.
    #[error("cannot access `{item}`: {why}")]
    Tool {
        /// The item.
        item: String,
        /// The tool's failure; never its output.
        why: String,
    },
    /// The document is too large for every permitted form of writing.
    #[error(
        "the document of {size} bytes is too large to write to `{item}`: {}",
        if *as_argument {
            format!("the limit is {most} bytes; remove logins that you no longer use")
        } else {
            format!(
                "the limit on standard input is {most} bytes; set `keychain_large_items = \"argument\"`, or remove logins that you no \
                longer use"
            )
        }
    )]
    TooLarge {
        /// The item.
        item: String,
        /// Size of the document in bytes.
        size: usize,
        /// The limit in bytes.
        most: usize,
        /// Whether this is the limit for arguments.
        as_argument: bool,
    },
    /// The item's name contains characters that cannot be passed to the tool.
    #[error(
        "the name of `{item}` contains a line break or NUL, which `security` does not accept; check $USER"
    )]
    Unspeakable {
        /// The item.
        item: String,
    },
    /// The tool ran, but the item is unchanged.
    #[error("the Keychain did not accept the new document for `{item}`{}", code.map_or_else(String::new, |code| format!(" (exit code {code})")))]
    NotWritten {
        /// The item.
        item: String,
        /// The tool's exit code if it is not 0.
        code: Option<i32>,
    },
    /// After the write, the item holds neither the new document nor any other.
    #[error(
        "the Keychain item `{item}` was damaged by a write; mcp-refreshd knows the previous document and will write it back with \
        the new tokens"
    )]
    Damaged {
        /// The item.
        item: String,
    },
}

impl KeychainError {
    /// How to handle the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Locked { .. }
            | Self::NoAnswer { .. }
            | Self::Tool { .. }
            | Self::NotWritten { .. }
            | Self::Damaged { .. } => ErrorKind::Retry,
            Self::Refused { .. }
            | Self::Declined { .. }
            | Self::NoKeychain { .. }
            | Self::TooLarge { .. }
            | Self::Unspeakable { .. } => ErrorKind::NeedsPerson,
        }
    }
}
