use super::KeyringError;
use crate::KeychainItem;
use oauth_secret::SecretBytes;
use std::time::Instant;

/// A keyring of the system, as its own library shows it. Everything here may block for as long as the keyring likes, so it is
/// called in a thread of its own only.
///
/// Nothing here makes an item, deletes one, unlocks a keyring or asks a person: there is no call for it.
pub trait Keyring: Clone + Send + 'static {
    /// An item that was found. It stays in the thread that found it.
    type Found: FoundItem;

    /// The word at the start of a location, such as `secret-service`.
    const KIND: &'static str;

    /// Finds the one item of this name. After `until` nobody waits for the answer any more.
    ///
    /// # Errors
    /// There is none, or more than one, or the keyring cannot be reached.
    fn find(&self, item: &KeychainItem, until: Instant) -> Result<Self::Found, KeyringError>;

    /// Waits until what was written survives a power cut, where the keyring itself does not wait for that.
    fn settle(&self) {}
}

/// One item of a keyring, for as long as one visit lasts.
pub trait FoundItem {
    /// Something cheap that changes with the item, if not within the same second: a modification date, a digest.
    ///
    /// # Errors
    /// The keyring does not answer, or the item is gone.
    fn mark(&self) -> Result<u64, KeyringError>;

    /// Whether its secret can be read and written now without asking anybody.
    ///
    /// # Errors
    /// It cannot ([`KeyringError::Locked`]), or the keyring does not answer.
    fn ensure_unlocked(&self) -> Result<(), KeyringError>;

    /// Its secret.
    ///
    /// # Errors
    /// The keyring is locked or does not answer, or the item is gone.
    fn read(&self) -> Result<SecretBytes, KeyringError>;

    /// Replaces its secret and nothing else of it.
    ///
    /// # Errors
    /// The keyring is locked or does not answer, or the item is gone. It may have been written all the same.
    fn write(&self, secret: &[u8]) -> Result<(), KeyringError>;
}
