//! Claude Code's credential document: found, read, locked, spliced and replaced without damage.
//!
//! A [`Store`] holds one [`Document`]; a document holds [`Entry`]s under [`EntryKey`]s. A change is spliced into the raw text, so
//! that every byte outside the changed members stays as it was, and swapped in under the two lock protocols of the client
//! ([`Locks`]). Nothing here knows OAuth, a network or an agent.
//!
//! ```
//! use claude_store::{Change, Document, EntryKey, TokenChange};
//! use oauth_secret::AccessToken;
//! let text = br#"{"mcpOAuth":{"lab|00":{"serverName":"lab","accessToken":"at_old","kept":1e400}}}"#;
//! let change = Change::Tokens(TokenChange {
//!     access_token: AccessToken::new("at_new"),
//!     refresh_token: None,
//!     expires_at: Some(1_795_381_774_631),
//!     scope: None,
//! });
//! let spliced = Document::parse(text)?.splice(&[(EntryKey::new("lab|00"), change)])?;
//! assert_eq!(
//!     &spliced[..],
//!     br#"{"mcpOAuth":{"lab|00":{"serverName":"lab","accessToken":"at_new","kept":1e400,"expiresAt":1795381774631}}}"#
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//! Locks and heartbeats are tasks of one thread: [`Locks::refresh_lock`] and [`Locks::storage_lock`] must be called inside a
//! [`tokio::task::LocalSet`]. Clients older than 2.1.160 write the document without any lock (measured); no protocol can
//! protect a write of theirs, only notice it.

mod client;
mod document;
mod error_kind;
mod file_system;
mod json;
mod lock;
mod os_file_system;
mod platform;
mod server_place;
mod store;

pub use client::keychain_item::KeychainItem;
pub use client::needs_auth::{NeedsAuthCache, NeedsAuthError};
pub use client::server_configs::ServerConfigs;
pub use client::session_activity::SessionActivity;
pub use client::storage_folder::StorageFolder;
pub use document::change::{Change, RawEntry, SpliceError, TokenChange};
pub use document::entry::{DiscoveryState, Entry, ExpiresAt, StubKind};
pub use document::incomplete::{Incomplete, KEYCHAIN_OVERFLOW};
pub use document::key::EntryKey;
pub use document::{Document, DocumentError, EntryProblem};
pub use error_kind::ErrorKind;
pub use file_system::{FileKind, FileSystem, Identity, Obstacle, Stamp};
pub use lock::{
    ConfigLock, LeftLock, LockError, LockKind, LockLost, LockSighting, Locks, RefreshLock, StorageLock,
};
pub use os_file_system::OsFileSystem;
pub use platform::CLEAR_FLAGS;
pub use platform::keyring::SystemKeyring;
pub use server_place::{ConfigError, Edited, Place, Scope, ServerPlaces};
pub use store::any_store::{AnyStaged, AnyStore};
pub use store::choice::{Choice, Holding, StoreKind, Why, choose_store};
pub use store::error::{ReadError, WriteError};
pub use store::file_store::{FileStore, StagedFile};
pub use store::folder_watch::{FolderWatch, News, WatchError};
pub use store::guarded_store::{Guard, GuardedStore};
pub use store::keychain_store::{
    ItemAttributes, KeychainError, KeychainStore, LargeItems, OsSecurity, SecurityCall, SecurityOutput,
    SecurityTool, StagedItem, ToolError,
};
pub use store::keyring_store::{FoundItem, Keyring, KeyringError, KeyringStore, NoKeyring, StagedSecret};
pub use store::ownership::Ownership;
pub use store::rewrite::{RewriteError, Rewritten, rewrite};
pub use store::{ItemVersion, Published, Snapshot, Store, Version};
