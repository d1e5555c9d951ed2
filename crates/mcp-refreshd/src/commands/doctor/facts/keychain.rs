use crate::agent::stores::storage_folders;
use crate::agent::stores::{self, Opened};
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use claude_store::{
    Holding, ItemAttributes, KeychainError, KeychainItem, ReadError, StorageFolder, Store, StoreKind, Why,
};

/// What is known of the Keychain item of one storage folder.
pub(crate) struct KeychainFacts {
    pub(crate) item: KeychainItem,
    /// Which of item and file is used, and why.
    pub(crate) kind: StoreKind,
    pub(crate) why: Why,
    pub(crate) content: Content,
    /// Whether a larger document could be written.
    pub(crate) fits: Result<(), KeychainError>,
    /// What the file beside it holds.
    pub(crate) of_file: Holding,
    /// Accounts of other items with the same service.
    pub(crate) accounts: Vec<String>,
    /// Services of items of Claude Code that no configured folder names.
    pub(crate) stale: Vec<String>,
}

/// What the item holds.
pub(crate) enum Content {
    Absent,
    /// It cannot be read.
    Closed(KeychainError),
    /// Something of so many bytes; what of it can be refreshed.
    Bytes(usize, Holding),
}

impl KeychainFacts {
    /// Asks the Keychain, where `/usr/bin/security` is how it is reached. Changes nothing.
    pub(crate) async fn gather(
        config: &Config,
        paths: &Paths,
        folder: &StorageFolder,
        opened: &Opened,
    ) -> Option<Self> {
        let keychain = stores::by_security(config, paths, folder)?;
        let other = opened.other.as_ref()?;
        let mut fits = keychain.will_fit(0);
        let content = match keychain.read().await {
            Ok(snapshot) => {
                let size = snapshot.bytes().len();
                fits = keychain.can_be_written(&snapshot);
                Content::Bytes(size, Holding::of(&Ok(snapshot)))
            }
            Err(ReadError::Keychain(error)) => Content::Closed(error),
            Err(_) => Content::Absent,
        };
        // A list that cannot be had is no finding of its own.
        let all = keychain.all_items().await.unwrap_or_default();
        let item = keychain.item().clone();
        let named: Vec<_> =
            storage_folders(config, paths).iter().map(StorageFolder::keychain_service).collect();
        Some(Self {
            kind: other.choice.kind,
            why: other.choice.why,
            fits,
            of_file: other.of_file.clone(),
            accounts: accounts(&all, &item),
            stale: stale(&all, &named),
            content,
            item,
        })
    }

    /// Whether a finding of this file says why the store cannot be read.
    pub(crate) fn names_the_trouble(&self) -> bool {
        self.kind == StoreKind::Keychain && matches!(self.content, Content::Closed(_))
    }
}

/// Accounts of items with the item's service, its own excepted.
fn accounts(all: &[ItemAttributes], item: &KeychainItem) -> Vec<String> {
    let same = all.iter().filter(|other| other.service.as_deref() == Some(item.service()));
    same.filter_map(|other| other.account.clone()).filter(|account| account != item.account()).collect()
}

/// Services of items that Claude Code made for folders which nobody names.
fn stale(all: &[ItemAttributes], named: &[String]) -> Vec<String> {
    let service = |item: &ItemAttributes| {
        let service = item.service.clone()?;
        let digest = service.strip_prefix("Claude Code-credentials-")?;
        let is_digest = digest.len() == 8 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_digest && !named.contains(&service)).then_some(service)
    };
    let mut stale: Vec<_> = all.iter().filter_map(service).collect();
    stale.sort();
    stale.dedup();
    stale
}
