/// The member of a document that names the Keychain item with the rest of it (read in 2.1.332).
pub const KEYCHAIN_OVERFLOW: &str = "keychainOverflow";

/// Why a document is not whole: entries of it are in another item, which cannot be seen into now.
///
/// An entry that such a document does not show, or shows without an access token, may be there all the same: it is neither
/// removed nor logged out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Incomplete {
    /// This store does not reach the other item.
    #[error(
        "a part of the document is in a second Keychain item (`keychainOverflow`), which is not reached here; on a Mac set \
         `keychain = \"security\"`"
    )]
    OutOfReach,
    /// `keychainOverflow` is not what is known of it.
    #[error(
        "a part of the document is elsewhere, and `keychainOverflow` says where in a form that is not known; update mcp-refreshd"
    )]
    Unknown,
    /// The other item is not there.
    #[error("a part of the document was in the Keychain item `{item}`, and that is gone")]
    Missing {
        /// The other item.
        item: String,
    },
    /// The other item does not open, or holds no sections.
    #[error(
        "a part of the document is in the Keychain item `{item}`, and that does not open with the key in `keychainOverflow`"
    )]
    Closed {
        /// The other item.
        item: String,
    },
}
