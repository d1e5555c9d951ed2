use crate::platform;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use unicode_normalization::UnicodeNormalization as _;

/// The credential document's name in the storage folder.
pub(crate) const CREDENTIALS: &str = ".credentials.json";

/// The needs-auth cache's name in the client's folder.
pub(crate) const NEEDS_AUTH: &str = "mcp-needs-auth-cache.json";

/// The client's folder in the home folder, unless a variable names another.
const USUAL: &str = ".claude";

/// The user's configuration: in the home folder, or in the folder named by `CLAUDE_CONFIG_DIR`.
const USER_CONFIG: &str = ".claude.json";

const FOLDER_VARIABLES: [&str; 2] = ["CLAUDE_SECURESTORAGE_CONFIG_DIR", "CLAUDE_CONFIG_DIR"];

/// The Keychain item's service if no folder variable is set.
const KEYCHAIN_SERVICE: &str = "Claude Code-credentials";

/// The locations of the files of one user's Claude Code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageFolder {
    storage: PathBuf,
    config: PathBuf,
    user_config: PathBuf,
    cache: PathBuf,
    /// The storage folder as given by a variable; `None` if no variable is set.
    named: Option<OsString>,
}

impl StorageFolder {
    /// The locations for this environment (measured with 2.1.332, and read there).
    ///
    /// The store is in `CLAUDE_SECURESTORAGE_CONFIG_DIR` (if set but empty: `~/.claude`), else in `CLAUDE_CONFIG_DIR`, else in `~/.claude`.
    /// All other files follow `CLAUDE_CONFIG_DIR` alone. Names are NFC-normalized, except that of `.claude.json`; `~` is not
    /// expanded.
    ///
    /// A relative path is relative to the folder where the client was started. We cannot know it, so we use `PWD`, or else the home
    /// folder. An empty `CLAUDE_CONFIG_DIR` means that same folder to the client, except for `.claude.json`: a different one at each
    /// start. It counts as unset.
    #[must_use]
    pub fn from_env(env: &dyn Fn(&str) -> Option<OsString>, home: &Path) -> Self {
        let set = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = set("PWD").filter(|path| path.is_absolute()).unwrap_or_else(|| home.to_owned());
        let usual = home.join(USUAL);
        let configured = set("CLAUDE_CONFIG_DIR");
        let config =
            configured.as_ref().map_or_else(|| normalized(&usual), |path| normalized(&base.join(path)));
        let named = match env("CLAUDE_SECURESTORAGE_CONFIG_DIR") {
            Some(secure) => Some(PathBuf::from(secure)).filter(|path| !path.as_os_str().is_empty()),
            None => configured.clone(),
        };
        let storage = match (&named, env("CLAUDE_SECURESTORAGE_CONFIG_DIR")) {
            (Some(named), _) => normalized(&base.join(named)),
            (None, Some(_)) => normalized(&usual),
            (None, None) => config.clone(),
        };
        Self {
            storage,
            user_config: configured.map_or_else(|| home.to_owned(), |path| base.join(path)).join(USER_CONFIG),
            cache: platform::CACHE_VARIABLE
                .and_then(set)
                .filter(|path| path.is_absolute())
                .unwrap_or_else(|| home.join(platform::CACHE_FOLDER))
                .join(platform::MCP_LOGS),
            config,
            named: named.map(|path| normalized(&path).into_os_string()),
        }
    }

    /// A storage folder listed in the configuration, with the other files of its client.
    ///
    /// If it is the storage folder of this environment, the environment determines the rest. Else it is treated as a `CLAUDE_CONFIG_DIR`
    /// with sessions, needs-auth cache and `.claude.json` in it. A folder with a document but no `.claude.json` has never been one: some
    /// shell uses it as `CLAUDE_SECURESTORAGE_CONFIG_DIR`, and the client's other files are where this environment puts them.
    #[must_use]
    pub fn listed(storage: impl Into<PathBuf>, env: &dyn Fn(&str) -> Option<OsString>, home: &Path) -> Self {
        let storage = storage.into();
        let here = Self::from_env(env, home);
        let usual = Self::from_env(&|name| env(name).filter(|_| !FOLDER_VARIABLES.contains(&name)), home);
        for known in [&here, &usual] {
            if is_same(&known.storage, &storage) {
                return known.clone();
            }
        }
        let own = Self::from_env(
            &|name| match name {
                "CLAUDE_CONFIG_DIR" => Some(storage.clone().into_os_string()),
                "CLAUDE_SECURESTORAGE_CONFIG_DIR" => None,
                other => env(other),
            },
            home,
        );
        if own.credentials_path().exists() && !own.user_config.exists() {
            let Self { config, user_config, .. } = here;
            return Self { config, user_config, ..own };
        }
        own
    }

    /// A storage folder at this path, with everything else in its default place in this home folder.
    #[must_use]
    pub fn at(storage: impl Into<PathBuf>, home: &Path) -> Self {
        let usual = Self::from_env(&|_| None, home);
        let storage = storage.into();
        let named = (storage != usual.storage).then(|| storage.clone().into_os_string());
        Self { storage, named, ..usual }
    }

    /// The same client's other files, with another storage folder: that of a store of our own.
    #[must_use]
    pub fn with_storage(&self, storage: impl Into<PathBuf>) -> Self {
        let storage = storage.into();
        Self { named: Some(storage.clone().into_os_string()), storage, ..self.clone() }
    }

    /// The storage folder itself, which holds the document and the locks.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.storage
    }

    /// The document.
    #[must_use]
    pub fn credentials_path(&self) -> PathBuf {
        self.storage.join(CREDENTIALS)
    }

    /// The user's settings, in the client's own folder (`CLAUDE_CONFIG_DIR`, else `~/.claude`).
    #[must_use]
    pub fn settings_path(&self) -> PathBuf {
        self.config.join("settings.json")
    }

    /// The client's service name for this document in the macOS Keychain (reported): the plain name, or, if a variable names the
    /// folder, with a suffix of the first 8 hex digits of the sha256 of that variable's value.
    #[must_use]
    pub fn keychain_service(&self) -> String {
        match &self.named {
            None => KEYCHAIN_SERVICE.to_owned(),
            Some(named) => {
                let digest = Sha256::digest(named.as_encoded_bytes());
                let hex: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
                format!("{KEYCHAIN_SERVICE}-{hex}")
            }
        }
    }

    /// The needs-auth cache; `CLAUDE_SECURESTORAGE_CONFIG_DIR` does not move it (measured with 2.1.330 and 2.1.332).
    #[must_use]
    pub fn needs_auth_path(&self) -> PathBuf {
        self.config.join(NEEDS_AUTH)
    }

    /// The folder of session files and logs; `CLAUDE_SECURESTORAGE_CONFIG_DIR` does not move it.
    #[must_use]
    pub fn config_folder(&self) -> &Path {
        &self.config
    }

    /// Where each running session keeps its own file.
    pub(crate) fn sessions_path(&self) -> PathBuf {
        self.config.join("sessions")
    }

    /// The user's configuration, which lists MCP servers.
    #[must_use]
    pub fn user_config_path(&self) -> &Path {
        &self.user_config
    }

    /// Where the client keeps the debug logs of its MCP connections.
    pub(crate) fn mcp_log_folder(&self) -> &Path {
        &self.cache
    }
}

/// A folder's name as the client sees it: in Unicode's composed form, however the variable was typed. A name that is not UTF-8 is
/// left as it is.
fn normalized(path: &Path) -> PathBuf {
    match path.to_str() {
        Some(text) => text.nfc().collect::<String>().into(),
        None => path.to_owned(),
    }
}

/// Whether two paths lead to the same folder, possibly through a link. A folder that does not exist yet is compared by name.
fn is_same(one: &Path, other: &Path) -> bool {
    let other = normalized(other);
    *one == other
        || platform::resolve(one).ok().is_some_and(|one| platform::resolve(&other).is_ok_and(|it| it == one))
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
        assert_eq!(folder.needs_auth_path(), Path::new("/config/mcp-needs-auth-cache.json"));
    }

    #[test]
    fn an_empty_secure_storage_variable_means_the_usual_folder_and_an_empty_config_variable_counts_as_none() {
        let both = folder(&[("CLAUDE_SECURESTORAGE_CONFIG_DIR", ""), ("CLAUDE_CONFIG_DIR", "/config")]);
        assert_eq!(both.path(), Path::new("/home/u/.claude"));
        assert_eq!(both.config_folder(), Path::new("/config"));
        assert_eq!(both.keychain_service(), "Claude Code-credentials");
        assert_eq!(folder(&[("CLAUDE_CONFIG_DIR", "")]), folder(&[]));
    }

    #[test]
    fn names_are_nfc_normalized_except_that_of_the_configuration() {
        // "é" as one character, and as a letter followed by a combining accent.
        let (composed, decomposed) = ("/srv/caf\u{e9}", "/srv/cafe\u{301}");
        let folder = |name| folder(&[("CLAUDE_CONFIG_DIR", name)]);
        assert_eq!(folder(decomposed).credentials_path(), Path::new(composed).join(CREDENTIALS));
        assert_eq!(folder(decomposed).needs_auth_path(), folder(composed).needs_auth_path());
        assert_eq!(folder(decomposed).keychain_service(), folder(composed).keychain_service());
        assert_eq!(folder(decomposed).user_config_path(), Path::new(decomposed).join(USER_CONFIG));
    }

    #[test]
    fn a_listed_folder_is_its_own_clients_folder() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let listed = |name: &str| StorageFolder::listed(home.join(name), &|_| None, &home);
        let work = listed("work");
        assert_eq!(work.config_folder(), home.join("work"));
        assert_eq!(work.needs_auth_path(), home.join("work").join(NEEDS_AUTH));
        assert_eq!(work.user_config_path(), home.join("work").join(USER_CONFIG));
        assert_eq!(listed(".claude"), StorageFolder::from_env(&|_| None, &home));
        assert_eq!(listed(".claude").user_config_path(), home.join(USER_CONFIG));
        assert_eq!(work.mcp_log_folder(), listed(".claude").mcp_log_folder());
    }

    #[test]
    fn a_listed_folder_without_a_clients_files_is_only_a_storage_folder() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let secure = home.join("secure");
        std::fs::create_dir(&secure).unwrap();
        std::fs::write(secure.join(CREDENTIALS), "{}").unwrap();
        let listed = || StorageFolder::listed(&secure, &|_| None, &home);
        assert_eq!(
            (listed().path(), listed().config_folder()),
            (secure.as_path(), home.join(".claude").as_path())
        );
        assert_eq!(listed().user_config_path(), home.join(USER_CONFIG));
        std::fs::write(secure.join(USER_CONFIG), "{}").unwrap();
        assert_eq!(listed().config_folder(), secure);
    }

    #[test]
    fn the_environment_says_whose_client_uses_a_listed_folder() {
        let env = |name: &str| match name {
            "CLAUDE_SECURESTORAGE_CONFIG_DIR" => Some("/secure".into()),
            "CLAUDE_CONFIG_DIR" => Some("/config".into()),
            _ => None,
        };
        let home = Path::new("/home/u");
        assert_eq!(StorageFolder::listed("/secure", &env, home), StorageFolder::from_env(&env, home));
        let usual = StorageFolder::listed("/home/u/.claude", &env, home);
        assert_eq!(usual.config_folder(), Path::new("/home/u/.claude"));
    }

    #[test]
    fn a_relative_folder_is_relative_to_where_the_shell_is() {
        #[cfg(unix)] // Shells on Windows set no such variable.
        assert_eq!(folder(&[("CLAUDE_CONFIG_DIR", "c"), ("PWD", "/srv")]).path(), Path::new("/srv/c"));
        assert_eq!(folder(&[("CLAUDE_CONFIG_DIR", "c")]).path(), Path::new("/home/u/c"));
        assert_eq!(folder(&[("CLAUDE_CONFIG_DIR", "~/c")]).path(), Path::new("/home/u/~/c"));
    }
}
