//! The user's Keychain on macOS, accessed with the Security framework instead of `/usr/bin/security`.
//!
//! For users who allowed all applications to access the item: to the Keychain, this program is not Claude Code, so it would ask the
//! user at each access, or add the program to the item's access list. Dialogs are suppressed: access that needs one counts as
//! locked.
//!
//! It uses the crate that `keyring` itself builds on. `keyring` creates an item whenever it fails to find one, even if access was
//! denied; here an item is changed in place or not at all.

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

/// `errSecInteractionNotAllowed`, `errSecInteractionRequired`, `errSecAuthFailed`, `errSecUserCanceled`, and `errSecNotAvailable`
/// before anyone has logged in.
const WOULD_ASK: [i32; 5] = [-25308, -25315, -25293, -128, -25291];

/// The Keychains in the user's search list, which Claude Code searches too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemKeyring;

/// A Keychain item.
#[derive(Debug)]
pub struct NativeItem {
    item: KeychainItem,
    location: String,
}

impl SystemKeyring {
    /// Its value in the configuration.
    pub const NAME: &'static str = "native";

    /// The keyring with this name.
    ///
    /// # Errors
    /// The name belongs to another system.
    pub fn named(name: &str) -> Result<Self, NoKeyring> {
        if name == Self::NAME { Ok(Self) } else { Err(NoKeyring::OtherSystem { own: Self::NAME }) }
    }
}

impl Keyring for SystemKeyring {
    type Found = NativeItem;

    // The same item as in the store that runs `/usr/bin/security`, so records and journal are shared.
    const KIND: &'static str = "keychain";

    fn find(&self, item: &KeychainItem, _until: Instant) -> Result<NativeItem, KeyringError> {
        Ok(NativeItem { item: item.clone(), location: location::<Self>(item) })
    }
}

impl NativeItem {
    /// Accesses the item and its secret with dialogs suppressed.
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
        // The library formats dates as text without a stable format.
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
