use crate::StorageFolder;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

/// The account for user names that the client does not use.
const NO_PLAIN_ACCOUNT: &str = "claude-code-user";

/// A Keychain item: a generic password that holds the client's document.
///
/// Its names follow the client's (reported, not measured here): the service depends on the storage folder, the account is the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeychainItem {
    service: String,
    account: String,
}

impl KeychainItem {
    /// The client's item for this storage folder and environment.
    ///
    /// The account is `$USER`; for a service without it, `$LOGNAME`, or else the home folder's name. A name with characters outside
    /// `A-Za-z0-9._-` is replaced by a fixed name, as in the client (read in 2.1.332).
    #[must_use]
    pub fn of(folder: &StorageFolder, env: &dyn Fn(&str) -> Option<OsString>, home: &Path) -> Self {
        let variable = |name| env(name).filter(|value| !value.is_empty());
        let account = variable("USER").or_else(|| variable("LOGNAME"));
        let account = account.or_else(|| home.file_name().map(OsString::from)).unwrap_or_default();
        let account = account.to_str().filter(|account| is_plain(account)).unwrap_or(NO_PLAIN_ACCOUNT);
        Self::named(folder.keychain_service(), account)
    }

    /// The item with these names.
    #[must_use]
    pub fn named(service: impl Into<String>, account: impl Into<String>) -> Self {
        Self { service: service.into(), account: account.into() }
    }

    /// The item's service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The item's account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }
}

fn is_plain(account: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !account.is_empty() && account.bytes().all(plain)
}

/// The form used in messages, records and the journal.
impl fmt::Display for KeychainItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keychain:{} (account {})", self.service, self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(variables: &[(&str, &str)]) -> KeychainItem {
        let env = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let home = Path::new("/Users/me");
        KeychainItem::of(&StorageFolder::from_env(&env, home), &env, home)
    }

    #[test]
    fn without_a_folder_variable_the_service_has_no_suffix() {
        assert_eq!(item(&[("USER", "me")]).to_string(), "keychain:Claude Code-credentials (account me)");
        assert_eq!(item(&[("USER", "me"), ("CLAUDE_CONFIG_DIR", "")]).service(), "Claude Code-credentials");
    }

    #[test]
    fn a_folder_variable_adds_the_start_of_its_digest() {
        // printf %s /srv/c | sha256sum
        assert_eq!(item(&[("CLAUDE_CONFIG_DIR", "/srv/c")]).service(), "Claude Code-credentials-89de82ef");
        // The secure-storage folder takes precedence.
        let both = [("CLAUDE_SECURESTORAGE_CONFIG_DIR", "/srv/c"), ("CLAUDE_CONFIG_DIR", "/elsewhere")];
        assert_eq!(item(&both).service(), "Claude Code-credentials-89de82ef");
        // Even if it names the default folder.
        assert_ne!(item(&[("CLAUDE_CONFIG_DIR", "/Users/me/.claude")]).service(), "Claude Code-credentials");
    }

    #[test]
    fn a_configured_folder_has_the_item_that_a_variable_of_that_value_gives() {
        let home = Path::new("/Users/me");
        assert_eq!(StorageFolder::at("/srv/c", home).keychain_service(), "Claude Code-credentials-89de82ef");
        assert_eq!(
            StorageFolder::at("/Users/me/.claude", home).keychain_service(),
            "Claude Code-credentials"
        );
    }

    #[test]
    fn the_account_is_the_user_even_in_a_bare_service_environment() {
        assert_eq!(item(&[("USER", "me"), ("LOGNAME", "other")]).account(), "me");
        assert_eq!(item(&[("LOGNAME", "other")]).account(), "other");
        assert_eq!(item(&[]).account(), "me");
    }

    #[test]
    fn an_unsupported_user_name_becomes_the_clients_fixed_account() {
        for odd in ["j\u{f6}", "a b", "a\"b"] {
            assert_eq!(item(&[("USER", odd)]).account(), "claude-code-user", "{odd}");
        }
        assert_eq!(item(&[("USER", "a.b_c-1")]).account(), "a.b_c-1");
    }
}
