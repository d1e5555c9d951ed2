//! The user's Keychain on macOS, by the Security framework and not by `/usr/bin/security`.
//!
//! For those who allowed all applications to use the item: the Keychain knows this program as another one than Claude Code, and
//! would ask a person at each use, or write down in the item's access list who used it. It is never let ask: what needs a question
//! counts as locked.
//!
//! It stands on the crate that `keyring` itself stands on. `keyring` adds an item whenever it cannot find one, for whatever reason,
//! a refusal included; here an item is changed in place or not at all.

use crate::store::keyring_store::location;
use crate::{FoundItem, KeychainItem, Keyring, KeyringError, NoKeyring};
use oauth_secret::SecretBytes;
use security_framework::base::Error;
use security_framework::os::macos::keychain::SecKeychain;
use security_framework::os::macos::keychain_item::SecKeychainItem;
use security_framework::os::macos::passwords::{SecKeychainItemPassword, find_generic_password};
use sha2::{Digest, Sha256};
use std::time::Instant;

/// `errSecItemNotFound`.
const NOT_FOUND: i32 = -25300;

/// `errSecInteractionNotAllowed`, `errSecInteractionRequired`, `errSecAuthFailed`, `errSecUserCanceled`, and `errSecNotAvailable` before
/// anybody has logged in.
const WOULD_ASK: [i32; 5] = [-25308, -25315, -25293, -128, -25291];

/// The Keychains in the user's search list, as Claude Code searches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemKeyring;

/// An item of a Keychain.
#[derive(Debug)]
pub struct NativeItem {
    item: KeychainItem,
    location: String,
}

impl SystemKeyring {
    /// What the configuration calls it.
    pub const NAME: &'static str = "native";

    /// The keyring of this name.
    ///
    /// # Errors
    /// The name is another system's.
    pub fn named(name: &str) -> Result<Self, NoKeyring> {
        if name == Self::NAME { Ok(Self) } else { Err(NoKeyring::OtherSystem { own: Self::NAME }) }
    }
}

impl Keyring for SystemKeyring {
    type Found = NativeItem;

    // The same item is meant by the store that runs `/usr/bin/security`: its records and its journal are these.
    const KIND: &'static str = "keychain";

    fn find(&self, item: &KeychainItem, _until: Instant) -> Result<NativeItem, KeyringError> {
        Ok(NativeItem { item: item.clone(), location: location::<Self>(item) })
    }
}

impl NativeItem {
    /// Does something with the item and its secret, without any question to a person.
    fn with<T>(
        &self,
        act: impl FnOnce(SecKeychainItemPassword, SecKeychainItem) -> Result<T, Error>,
    ) -> Result<T, KeyringError> {
        let quietly = || {
            let _no_questions = SecKeychain::disable_user_interaction()?;
            let (secret, item) = find_generic_password(None, self.item.service(), self.item.account())?;
            act(secret, item)
        };
        quietly().map_err(|error| self.explain(error))
    }

    fn explain(&self, error: Error) -> KeyringError {
        let location = self.location.clone();
        match error.code() {
            NOT_FOUND => KeyringError::Missing { location },
            code if WOULD_ASK.contains(&code) => KeyringError::WouldAsk { location },
            _ => KeyringError::Other { location, why: error.to_string() },
        }
    }
}

impl FoundItem for NativeItem {
    fn mark(&self) -> Result<u64, KeyringError> {
        // The library gives dates as text of no promised form.
        self.with(|secret, _| {
            let digest = Sha256::digest(&*secret);
            Ok(digest.iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte)))
        })
    }

    fn ensure_unlocked(&self) -> Result<(), KeyringError> {
        self.with(|_, _| Ok(()))
    }

    fn read(&self) -> Result<SecretBytes, KeyringError> {
        self.with(|secret, _| Ok(SecretBytes::from(secret.to_vec())))
    }

    fn write(&self, secret: &[u8]) -> Result<(), KeyringError> {
        self.with(|_, mut item| item.set_password(secret))
    }
}
