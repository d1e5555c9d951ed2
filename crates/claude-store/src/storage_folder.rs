use crate::platform;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The credential document's name in the storage folder.
pub(crate) const CREDENTIALS: &str = ".credentials.json";

/// The needs-auth cache's name in the storage folder.
pub(crate) const NEEDS_AUTH: &str = "mcp-needs-auth-cache.json";

/// The Keychain item's service, where no folder variable is set.
const KEYCHAIN_SERVICE: &str = "Claude Code-credentials";

/// Where one user's Claude Code keeps what this program reads and writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageFolder {
    storage: PathBuf,
    config: PathBuf,
    user_config: PathBuf,
    cache: PathBuf,
    /// The storage folder as a variable names it; `None` where none does.
    named: Option<OsString>,
}

impl StorageFolder {
    /// Where the client looks, given its environment (measured: `CLAUDE_SECURESTORAGE_CONFIG_DIR`, else `CLAUDE_CONFIG_DIR`, else
    /// `~/.claude`; an empty variable counts as none, and `~` in one is not expanded).
    ///
    /// A relative path means the folder the client was started in; nobody can know that here, so it is taken from `PWD`, else
    /// from the home folder.
    #[must_use]
    pub fn from_env(env: &dyn Fn(&str) -> Option<OsString>, home: &Path) -> Self {
        let variable = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = variable("PWD").filter(|path| path.is_absolute()).unwrap_or_else(|| home.to_owned());
        let folder = |name| variable(name).map(|path| base.join(path));
        let configured = folder("CLAUDE_CONFIG_DIR");
        let config = configured.clone().unwrap_or_else(|| home.join(".claude"));
        let named = variable("CLAUDE_SECURESTORAGE_CONFIG_DIR").or_else(|| variable("CLAUDE_CONFIG_DIR"));
        Self {
            storage: folder("CLAUDE_SECURESTORAGE_CONFIG_DIR").unwrap_or_else(|| config.clone()),
            user_config: configured.as_deref().unwrap_or(home).join(".claude.json"),
            cache: variable("XDG_CACHE_HOME")
                .filter(|path| path.is_absolute() && platform::HONOURS_XDG_CACHE)
                .unwrap_or_else(|| home.join(platform::CACHE_FOLDER))
                .join("claude-cli-nodejs"),
            config,
            named: named.map(PathBuf::into_os_string),
        }
    }

    /// A storage folder at this place, with everything else where it is by default for this home folder.
    #[must_use]
    pub fn at(storage: impl Into<PathBuf>, home: &Path) -> Self {
        let usual = Self::from_env(&|_| None, home);
        let storage = storage.into();
        let named = (storage != usual.storage).then(|| storage.clone().into_os_string());
        Self { storage, named, ..usual }
    }

    /// The storage folder itself: the document, the locks and the needs-auth cache are in it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.storage
    }

    /// The document.
    #[must_use]
    pub fn credentials_path(&self) -> PathBuf {
        self.storage.join(CREDENTIALS)
    }

    /// The service under which the client keeps this document in the macOS Keychain (reported): the name alone, or, where a
    /// variable names the folder, with the first 8 hex digits of the sha256 of that variable's text behind it.
    #[must_use]
    pub fn keychain_service(&self) -> String {
        match &self.named {
            None => KEYCHAIN_SERVICE.to_owned(),
            Some(named) => {
                let digest = Sha256::digest(named.as_bytes());
                let hex: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
                format!("{KEYCHAIN_SERVICE}-{hex}")
            }
        }
    }

    /// The needs-auth cache.
    #[must_use]
    pub fn needs_auth_path(&self) -> PathBuf {
        self.storage.join(NEEDS_AUTH)
    }

    /// Where sessions keep their logs; a secure-storage folder does not move them.
    #[must_use]
    pub fn config_folder(&self) -> &Path {
        &self.config
    }

    /// Where each running session keeps a file of its own.
    pub(crate) fn sessions_path(&self) -> PathBuf {
        self.config.join("sessions")
    }

    /// The user's configuration, which lists MCP servers.
    #[must_use]
    pub fn user_config_path(&self) -> &Path {
        &self.user_config
    }

    /// Where the client keeps the debug logs of its MCP connections.
    #[must_use]
    pub fn mcp_log_folder(&self) -> &Path {
        &self.cache
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)]) -> StorageFolder {
        let env = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        StorageFolder::from_env(&env, Path::new("/home/u"))
    }

    #[test]
    fn without_variables_everything_is_below_the_home_folder() {
        let folder = folder(&[]);
        assert_eq!(folder.credentials_path(), Path::new("/home/u/.claude/.credentials.json"));
        assert_eq!(folder.needs_auth_path(), Path::new("/home/u/.claude/mcp-needs-auth-cache.json"));
        assert_eq!(folder.config_folder(), Path::new("/home/u/.claude"));
        assert_eq!(folder.user_config_path(), Path::new("/home/u/.claude.json"));
    }

    #[test]
    fn the_secure_storage_variable_wins_and_moves_only_the_store() {
        let folder =
            folder(&[("CLAUDE_SECURESTORAGE_CONFIG_DIR", "/secure"), ("CLAUDE_CONFIG_DIR", "/config")]);
        assert_eq!(folder.path(), Path::new("/secure"));
        assert_eq!(folder.config_folder(), Path::new("/config"));
        assert_eq!(folder.user_config_path(), Path::new("/config/.claude.json"));
    }

    #[test]
    fn an_empty_variable_counts_as_none() {
        let folder = folder(&[("CLAUDE_SECURESTORAGE_CONFIG_DIR", ""), ("CLAUDE_CONFIG_DIR", "/config")]);
        assert_eq!(folder.path(), Path::new("/config"));
    }

    #[test]
    fn a_relative_folder_is_relative_to_where_the_shell_is() {
        assert_eq!(folder(&[("CLAUDE_CONFIG_DIR", "c"), ("PWD", "/srv")]).path(), Path::new("/srv/c"));
        assert_eq!(folder(&[("CLAUDE_CONFIG_DIR", "c")]).path(), Path::new("/home/u/c"));
        assert_eq!(folder(&[("CLAUDE_CONFIG_DIR", "~/c")]).path(), Path::new("/home/u/~/c"));
    }
}
