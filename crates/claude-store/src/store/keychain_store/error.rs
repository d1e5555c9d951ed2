use crate::ErrorKind;
use std::time::Duration;

/// Why a document in a Keychain could not be read or written. `item` says which one.
///
/// Never holds anything that the Keychain's tool printed: that may be part of a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeychainError {
    /// Exit code 36: the Keychain is locked, or it would have to ask and nobody can be asked (over SSH, before the login).
    #[error(
        "the Keychain that holds `{item}` is locked, or it may ask nobody (over SSH, before the login); it passes when the Keychain \
         opens: log in at the screen, or type `security unlock-keychain`"
    )]
    Locked {
        /// The item.
        item: String,
    },
    /// Exit code 51: this program may not have the item.
    #[error(
        "the Keychain refuses `{item}` to /usr/bin/security; open the item in Keychain Access and add `security` under Access \
         Control, or allow all applications to access it"
    )]
    Refused {
        /// The item.
        item: String,
    },
    /// Exit code 128: somebody was asked and said no.
    #[error(
        "access to `{item}` was asked for and declined; it is asked for again in {} min: click \"Always Allow\" then",
        again_in.as_secs() / 60
    )]
    Declined {
        /// The item.
        item: String,
        /// When it is asked for again.
        again_in: Duration,
    },
    /// It took too long: most likely the Keychain asks something on the screen and nobody answers.
    #[error(
        "the Keychain gave no answer about `{item}` within {} s; look for a window that asks for access and click \"Always Allow\", \
         or unlock the Keychain",
        limit.as_secs()
    )]
    NoAnswer {
        /// The item.
        item: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// Exit codes 37 and 50: there is no Keychain at all.
    #[error(
        "there is no Keychain to look for `{item}` in; see `security list-keychains` and `security default-keychain`"
    )]
    NoKeychain {
        /// The item.
        item: String,
    },
    /// The tool could not be run, or ended in a way that nobody knows.
    #[error("`{item}` cannot be reached: {why}")]
    Tool {
        /// The item.
        item: String,
        /// What is wrong with the tool; never what it printed.
        why: String,
    },
    /// The document is larger than any form of writing that is allowed.
    #[error(
        "the document of {size} bytes is too large to be written to `{item}`: {}",
        if *as_argument {
            format!("no more than {most} bytes can be handed over; remove logins that are not used any more")
        } else {
            format!(
                "without arguments no more than {most} bytes can be handed over; set `keychain_large_items = \"argument\"`, or \
                 remove logins that are not used any more"
            )
        }
    )]
    TooLarge {
        /// The item.
        item: String,
        /// Bytes that were to be written.
        size: usize,
        /// Bytes that can be written.
        most: usize,
        /// Whether that is the limit of arguments, too.
        as_argument: bool,
    },
    /// The item's names hold characters that no command line of the tool can say.
    #[error("`{item}` cannot be named to the Keychain's tool: a line break or a NUL in it; see $USER")]
    Unspeakable {
        /// The item.
        item: String,
    },
    /// The tool ran and the item is as before.
    #[error("the Keychain did not take the new document for `{item}`{}", code.map_or_else(String::new, |code| format!(" (exit code {code})")))]
    NotWritten {
        /// The item.
        item: String,
        /// The tool's exit code, where it is not 0.
        code: Option<i32>,
    },
    /// After the write the item is neither the new document nor any other.
    #[error(
        "what the Keychain holds for `{item}` after a write is no document any more; the one that was there before is known and is \
         written back together with the new tokens"
    )]
    Damaged {
        /// The item.
        item: String,
    },
}

impl KeychainError {
    /// What to do next.
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
