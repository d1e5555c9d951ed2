//! A placeholder for builds without keyring support.

use crate::{FoundItem, KeychainItem, Keyring, KeyringError, NoKeyring};
use oauth_secret::SecretBytes;
use std::time::Instant;

/// No keyring: this type has no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemKeyring {}

impl SystemKeyring {
    /// Its value in the configuration.
    pub const NAME: &'static str = "none";

    /// The keyring with this name.
    ///
    /// # Errors
    /// Always: the feature `keyring` is disabled.
    pub fn named(_name: &str) -> Result<Self, NoKeyring> {
        Err(NoKeyring::NotBuilt)
    }
}

impl Keyring for SystemKeyring {
    type Found = Self;

    const KIND: &'static str = "none";

    fn find(&self, _item: &KeychainItem, _until: Instant) -> Result<Self, KeyringError> {
        match *self {}
    }
}

impl FoundItem for SystemKeyring {
    fn mark(&self) -> Result<u64, KeyringError> {
        match *self {}
    }

    fn ensure_unlocked(&self) -> Result<(), KeyringError> {
        match *self {}
    }

    fn read(&self) -> Result<SecretBytes, KeyringError> {
        match *self {}
    }

    fn write(&self, _secret: &[u8]) -> Result<(), KeyringError> {
        match *self {}
    }
}
