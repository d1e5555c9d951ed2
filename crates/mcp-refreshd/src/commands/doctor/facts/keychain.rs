use crate::agent::stores::storage_folders;
use crate::agent::stores::{self, Opened};
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use claude_store::{
    Holding, ItemAttributes, KeychainError, KeychainItem, ReadError, StorageFolder, Store, StoreKind, Why,
};
use compact::Arrange as _;

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
    /// Items of Claude Code that no known folder names.
    pub(crate) stale: Vec<StaleItem>,
}

/// An item of Claude Code that no known folder names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StaleItem {
    pub(crate) item: KeychainItem,
    /// When it was written last, as fourteen digits (UTC); `None` if the Keychain does not say.
    pub(crate) modified: Option<u64>,
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
        let named = services_in_use(config, paths);
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

/// Services of the items that this user's folders name: those of the configuration, that of this shell, and the usual folder, be it by a
/// variable.
pub(crate) fn services_in_use(config: &Config, paths: &Paths) -> Vec<String> {
    let usual = StorageFolder::from_env(&|_| None, &paths.home);
    let by_variable = |name: &str| (name == "CLAUDE_CONFIG_DIR").then(|| usual.path().as_os_str().to_owned());
    let mut folders = storage_folders(config, paths);
    folders.push(StorageFolder::from_env(&|name| std::env::var_os(name), &paths.home));
    folders.push(StorageFolder::from_env(&by_variable, &paths.home));
    folders.iter().map(StorageFolder::keychain_service).collect()
}

/// Items that Claude Code made for folders which nobody names, their overflow items included.
pub(crate) fn stale(all: &[ItemAttributes], named: &[String]) -> Vec<StaleItem> {
    let stale = |item: &ItemAttributes| {
        let (service, account) = (item.service.clone()?, item.account.clone()?);
        let main =
            service.strip_suffix("-overflow-a").or(service.strip_suffix("-overflow-b")).unwrap_or(&service);
        let digest = main.strip_prefix("Claude Code-credentials-")?;
        let is_digest = digest.len() == 8 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_stale = is_digest && !named.iter().any(|named| named == main);
        let modified = item.modified;
        is_stale.then(|| StaleItem { item: KeychainItem::named(service, account), modified })
    };
    let mut stale: Vec<_> = all.iter().filter_map(stale).collect();
    stale.arrange_by_key(|stale| (stale.item.service().to_owned(), stale.item.account().to_owned()));
    stale.dedup();
    stale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_known_folder_names_is_never_stale_nor_is_what_has_another_form() {
        let item = |service: &str| ItemAttributes {
            service: Some(service.into()),
            account: Some("me".into()),
            modified: Some(20_260_101_000_000),
        };
        let all = [
            "Claude Code-credentials",
            "Claude Code-credentials-overflow-a",
            "Claude Code-credentials-0123abcd",
            "Claude Code-credentials-0123abcd-overflow-b",
            "Claude Code-credentials-deadbeef",
            "Claude Code-credentials-deadbeef-overflow-a",
            "Claude Code-credentials-old",
            "something else",
        ];
        let all: Vec<_> = all.into_iter().map(item).collect();
        let found = stale(&all, &["Claude Code-credentials-0123abcd".to_owned()]);
        let services: Vec<_> = found.iter().map(|stale| stale.item.service()).collect();
        assert_eq!(
            services,
            ["Claude Code-credentials-deadbeef", "Claude Code-credentials-deadbeef-overflow-a"]
        );
        let nameless = ItemAttributes { account: None, ..item("Claude Code-credentials-deadbeef") };
        assert!(stale(&[nameless], &[]).is_empty());
    }
}
