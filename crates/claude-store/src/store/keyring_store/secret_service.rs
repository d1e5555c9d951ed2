//! The session's Secret Service, over D-Bus: GNOME Keyring, KWallet, KeePassXC and others.
//!
//! It uses the crate that `keyring` itself builds on. `keyring` unlocks any locked match with a dialog, and creates missing items; a
//! background agent must do neither.

use crate::store::keyring_store::location;
use crate::{FoundItem, KeychainItem, Keyring, KeyringError, NoKeyring};
use oauth_secret::SecretBytes;
use secret_service::{EncryptionType, Error, Item, SecretService};
use std::collections::HashMap;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout_at;

/// Attributes that name the account: the one used by keytar and this program's documentation, and the one of the crate `keyring`.
const ACCOUNT_ATTRIBUTES: [&str; 2] = ["account", "username"];

/// What a keyring's own program shows of an item of ours.
const LABEL: &str = "mcp-refreshd: logins of MCP servers";

/// Longer error messages are not helpful.
const LONGEST_REASON: usize = 200;

/// This session's keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemKeyring;

/// An item with its own connection, so that a restarted keyring does not affect the next visit, and an idle agent keeps no
/// connection open.
pub struct ServiceItem {
    // Dropped before the runtime that its tasks run on.
    service: SecretService<'static>,
    runtime: Runtime,
    item: KeychainItem,
    location: String,
    until: Instant,
}

impl SystemKeyring {
    /// Its value in the configuration.
    pub const NAME: &'static str = "secret-service";

    /// The keyring with this name.
    ///
    /// # Errors
    /// The name belongs to another system.
    pub fn named(name: &str) -> Result<Self, NoKeyring> {
        if name == Self::NAME { Ok(Self) } else { Err(NoKeyring::OtherSystem { own: Self::NAME }) }
    }
}

impl Keyring for SystemKeyring {
    type Found = ServiceItem;

    const KIND: &'static str = "secret-service";

    fn find(&self, item: &KeychainItem, until: Instant) -> Result<ServiceItem, KeyringError> {
        let location = location::<Self>(item);
        let unavailable =
            |why: String| KeyringError::Unavailable { location: location.clone(), why: shortened(&why) };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unavailable(error.to_string()))?;
        // Encrypt the secret on the bus: the user's other programs may be listening.
        let connect = SecretService::connect(EncryptionType::Dh);
        let service = match runtime.block_on(async { timeout_at(until.into(), connect).await }) {
            Ok(Ok(service)) => service,
            Ok(Err(error)) => return Err(unavailable(error.to_string())),
            Err(_) => return Err(no_answer(&location)),
        };
        Ok(ServiceItem { service, runtime, item: item.clone(), location, until })
    }

    fn create(&self, item: &KeychainItem, secret: &[u8], until: Instant) -> Result<(), KeyringError> {
        let found = self.find(item, until)?;
        match found.mark() {
            Err(KeyringError::Missing { .. }) => found.create(secret),
            found => found.map(drop),
        }
    }

    fn settle(&self) {
        // gnome-keyring syncs the file's content but not its new name (seen with strace), and only it knows which file that is.
        rustix::fs::sync();
    }
}

impl ServiceItem {
    /// Looks up the item and runs `call` on it, until the time limit.
    fn with<T>(&self, act: impl AsyncFnOnce(&Item<'_>) -> Result<T, Error>) -> Result<T, KeyringError> {
        let acted = async {
            let item = self.look_up().await?;
            act(&item).await.map_err(|error| self.explain(&error))
        };
        self.runtime
            .block_on(async { timeout_at(self.until.into(), acted).await })
            .unwrap_or_else(|_| Err(no_answer(&self.location)))
    }

    /// Creates the item in the default collection. A locked one is left alone: creating there would show a dialog.
    fn create(&self, secret: &[u8]) -> Result<(), KeyringError> {
        let created = async {
            let explain = |error: Error| self.explain(&error);
            let collection = self.service.get_default_collection().await.map_err(explain)?;
            if collection.is_locked().await.map_err(explain)? {
                return Err(KeyringError::Locked { location: self.location.clone() });
            }
            let names = HashMap::from([("service", self.item.service()), ("account", self.item.account())]);
            let item = collection.create_item(LABEL, names, secret, false, "application/json").await;
            item.map(drop).map_err(explain)
        };
        self.runtime
            .block_on(async { timeout_at(self.until.into(), created).await })
            .unwrap_or_else(|_| Err(no_answer(&self.location)))
    }

    /// The only item with our names, locked or not. A search never shows a dialog.
    async fn look_up(&self) -> Result<Item<'_>, KeyringError> {
        let explain = |error: Error| self.explain(&error);
        let mut ours: Vec<Item<'_>> = Vec::new();
        for account in ACCOUNT_ATTRIBUTES {
            // Let the keyring compare the attributes: for items in a collection that has never been unlocked it has only digests of them,
            // and returns none (seen with gnome-keyring).
            let wanted = HashMap::from([("service", self.item.service()), (account, self.item.account())]);
            let found = self.service.search_items(wanted).await.map_err(explain)?;
            for item in found.unlocked.into_iter().chain(found.locked) {
                if !ours.contains(&item) {
                    ours.push(item);
                }
            }
        }
        let (count, location) = (ours.len(), self.location.clone());
        match ours.pop() {
            // A closed wallet may not list its items.
            None if self.is_any_locked().await.map_err(explain)? => Err(KeyringError::Locked { location }),
            None => Err(KeyringError::Missing { location }),
            Some(item) if count == 1 => Ok(item),
            Some(_) => Err(KeyringError::Several { location, count }),
        }
    }

    async fn is_any_locked(&self) -> Result<bool, Error> {
        for collection in self.service.get_all_collections().await? {
            if collection.is_locked().await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn explain(&self, error: &Error) -> KeyringError {
        let location = self.location.clone();
        // Error names come from the specification; their types belong to a crate that we do not depend on directly.
        let text = error.to_string();
        let says = |names: &[&str]| names.iter().any(|name| text.contains(name));
        if matches!(error, Error::Locked | Error::Prompt) || says(&["org.freedesktop.Secret.Error.IsLocked"])
        {
            KeyringError::Locked { location }
        } else if matches!(error, Error::Unavailable)
            || says(&["Error.ServiceUnknown", "Error.NameHasNoOwner", "Error.Spawn", "Error.NoServer"])
        {
            KeyringError::Unavailable { location, why: shortened(&text) }
        } else {
            KeyringError::Other { location, why: shortened(&text) }
        }
    }
}

impl FoundItem for ServiceItem {
    fn mark(&self) -> Result<u64, KeyringError> {
        self.with(async |item| item.get_modified().await)
    }

    fn ensure_unlocked(&self) -> Result<(), KeyringError> {
        self.with(async |item| item.ensure_unlocked().await)
    }

    fn read(&self) -> Result<SecretBytes, KeyringError> {
        self.with(async |item| item.get_secret().await.map(SecretBytes::from))
    }

    fn write(&self, secret: &[u8]) -> Result<(), KeyringError> {
        self.with(async |item| {
            let content_type = item.get_secret_content_type().await?;
            item.set_secret(secret, &content_type).await
        })
    }
}

fn no_answer(location: &str) -> KeyringError {
    KeyringError::NoAnswer { location: location.to_owned() }
}

/// Shortens to one line of readable length.
fn shortened(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect()
}
