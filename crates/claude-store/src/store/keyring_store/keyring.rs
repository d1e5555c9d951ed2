use super::KeyringError;
use crate::KeychainItem;
use oauth_secret::SecretBytes;
use std::time::Instant;

/// A system keyring, accessed with its own library. Any call may block indefinitely, so calls run only in a separate thread.
///
/// Items of the client are never created or deleted, keyrings never unlocked and users never asked: there are no calls for that.
pub trait Keyring: Clone + Send + 'static {
    /// An item. It stays in the thread that found it.
    type Found: FoundItem;

    /// The prefix of a location, such as `secret-service`.
    const KIND: &'static str;

    /// Finds the only item with this name. After `until`, the result is discarded.
    ///
    /// # Errors
    /// There is no such item, or more than one, or the keyring is unavailable.
    fn find(&self, item: &KeychainItem, until: Instant) -> Result<Self::Found, KeyringError>;

    /// Creates an item of our own with this secret, unless there is one. Never asks the user.
    ///
    /// # Errors
    /// The keyring is locked or absent, or is none in which items are created.
    fn create(&self, item: &KeychainItem, secret: &[u8], until: Instant) -> Result<(), KeyringError> {
        let _ = (secret, until);
        Err(KeyringError::Other {
            location: item.to_string(),
            why: "no items are created in this keyring".to_owned(),
        })
    }

    /// Waits until the write is durable, if the keyring itself does not.
    fn settle(&self) {}
}

/// A keyring item, for the length of one visit.
pub trait FoundItem {
    /// A cheap value that changes with the item, at a resolution of one second: a modification date, a digest.
    ///
    /// # Errors
    /// The keyring does not respond, or the item is gone.
    fn mark(&self) -> Result<u64, KeyringError>;

    /// Checks that its secret can be read and written without asking the user.
    ///
    /// # Errors
    /// It cannot ([`KeyringError::Locked`]), or the keyring does not respond.
    fn ensure_unlocked(&self) -> Result<(), KeyringError>;

    /// Returns its secret.
    ///
    /// # Errors
    /// The keyring is locked or does not respond, or the item is gone.
    fn read(&self) -> Result<SecretBytes, KeyringError>;

    /// Replaces its secret and nothing else.
    ///
    /// # Errors
    /// The keyring is locked or does not respond, or the item is gone. The write may have succeeded all the same.
    fn write(&self, secret: &[u8]) -> Result<(), KeyringError>;
}
