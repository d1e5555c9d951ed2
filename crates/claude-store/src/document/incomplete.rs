/// The member that names the Keychain item holding the rest of the document (read in 2.1.332).
pub const KEYCHAIN_OVERFLOW: &str = "keychainOverflow";

/// Why a document is incomplete: some of its entries are in a second item, which cannot be read now.
///
/// An entry that is missing from such a document, or has no access token in it, may still exist: it is neither removed nor logged out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Incomplete {
    /// This store cannot access the second item.
    #[error(
        "part of the document is in a second Keychain item (`keychainOverflow`), which this store cannot access; on macOS set \
        `keychain = \"security\"`"
    )]
    OutOfReach,
    /// `keychainOverflow` has an unknown form.
    #[error(
        "part of the document is in a second Keychain item, but the format of `keychainOverflow` is unknown; update mcp-refreshd"
    )]
    Unknown,
    /// The second item does not exist.
    #[error("part of the document was in the Keychain item `{item}`, which no longer exists")]
    Missing {
        /// The second item.
        item: String,
    },
    /// The second item cannot be decrypted, or has no sections.
    #[error(
        "part of the document is in the Keychain item `{item}`, which the key in `keychainOverflow` does not decrypt"
    )]
    Closed {
        /// The second item.
        item: String,
    },
}
