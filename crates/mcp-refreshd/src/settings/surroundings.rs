//! The variables as Claude Code sees them: its settings take precedence over the environment.

mod settings_file;

use crate::platform;
use claude_store::{FileSystem, OsFileSystem, ServerConfigs, Stamp, StorageFolder};
use compact::Arrange as _;
use compact::Map;
use settings_file::{Env, settings};
use std::env;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use token_endpoint::{ClientCertificate, HttpOptions, NamedProxy};
use zeroize::Zeroizing;

/// The variables that the way to a server depends on, and that the client takes from its settings (2.1.332, measured; not `SSL_CERT_FILE`,
/// which only its environment sets).
const NAMES: [&str; 13] = [
    "https_proxy",
    "HTTPS_PROXY",
    "http_proxy",
    "HTTP_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "CLAUDE_CODE_CLIENT_CERT",
    "CLAUDE_CODE_CLIENT_KEY",
    "CLAUDE_CODE_CLIENT_KEY_PASSPHRASE",
    "NODE_TLS_REJECT_UNAUTHORIZED",
];

/// The files that were read, and their state then.
pub(crate) type Seen = Vec<(PathBuf, Option<Stamp>)>;

/// The variables in effect, and where they come from.
#[derive(Clone, Default)]
pub(crate) struct Surroundings {
    variables: Map<&'static str, (String, Option<PathBuf>)>,
    /// Unreadable settings files, which the client ignores, too.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Proxies and the passphrase are secrets.
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Surroundings {
    /// What is in effect for the client of this folder. In rising precedence (2.1.332, measured): the environment, then `env` in the client's
    /// configuration, in the user's settings, in the managed settings and in the files beside those. A project's settings apply to
    /// that project only.
    pub(crate) fn read(folder: &StorageFolder) -> Self {
        Self::layered(&files(folder), &|name| env::var(name).ok())
    }

    /// The same, for a caller that has already read the client's configuration.
    pub(crate) fn read_beside(folder: &StorageFolder, configs: &ServerConfigs) -> Self {
        let set = configs.env().and_then(|env| serde_json::from_str::<Env>(env).ok()).unwrap_or_default().0;
        let config = folder.user_config_path();
        let environment = |name: &str| env::var(name).ok();
        let others: Vec<_> = files(folder).into_iter().filter(|path| path != config).collect();
        let mut all = Self::layered(&[], &environment);
        all.add(config, &set);
        all.read_files(&others);
        all
    }

    fn layered(files: &[PathBuf], environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut all = Self::default();
        for name in NAMES {
            all.variables.extend(environment(name).map(|value| (name, (value, None))));
        }
        all.read_files(files);
        all
    }

    fn read_files(&mut self, files: &[PathBuf]) {
        for path in files {
            match settings(path) {
                Ok(settings) => self.add(path, &settings),
                // A file in the place of its folder is reported with the store.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => self.unreadable.push((path.clone(), error.to_string())),
            }
        }
    }

    /// Applies these settings, which take precedence over earlier ones.
    fn add(&mut self, path: &Path, settings: &Map<String, String>) {
        for name in NAMES {
            let set = settings.get(name).map(|value| (name, (value.clone(), Some(path.to_owned()))));
            self.variables.extend(set);
        }
    }

    /// The value of a variable; an empty one counts as unset.
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|(value, _)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether a proxy variable is set, even if it is empty.
    pub(crate) fn names_proxies(&self) -> bool {
        self.variables.keys().any(|name| is_proxy(name))
    }

    /// Whether settings do so.
    pub(crate) fn settings_name_a_proxy(&self) -> bool {
        self.variables.iter().any(|(name, (_, by))| is_proxy(name) && by.is_some())
    }

    pub(crate) fn proxy(&self) -> NamedProxy {
        NamedProxy::choose(&|name| self.get(name).map(str::to_owned))
    }

    /// The file with the additional CA certificates that the client trusts.
    pub(crate) fn extra_ca(&self) -> Option<PathBuf> {
        self.get("NODE_EXTRA_CA_CERTS").map(PathBuf::from)
    }

    /// Whether the client skips certificate verification (Node.js accepts only this value). We never do.
    pub(crate) fn asks_not_to_verify(&self) -> bool {
        self.get("NODE_TLS_REJECT_UNAUTHORIZED") == Some("0")
    }

    /// The client's TLS certificate, for servers that request one.
    pub(crate) fn client_certificate(&self) -> Option<ClientCertificate> {
        Some(ClientCertificate {
            certificate: self.get("CLAUDE_CODE_CLIENT_CERT")?.into(),
            key: self.get("CLAUDE_CODE_CLIENT_KEY").map(PathBuf::from),
            passphrase: self
                .get("CLAUDE_CODE_CLIENT_KEY_PASSPHRASE")
                .map(|text| Zeroizing::new(text.to_owned())),
        })
    }
}

/// The variables that one file sets, if it can be read.
pub(crate) fn settings_of(path: &Path) -> Option<Map<String, String>> {
    settings(path).ok()
}

fn is_proxy(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("_proxy") && !name.eq_ignore_ascii_case("no_proxy")
}

/// The client's settings files that apply to every project, in rising precedence.
pub(crate) fn files(folder: &StorageFolder) -> Vec<PathBuf> {
    let managed = Path::new(platform::MANAGED_SETTINGS);
    let mut beside: Vec<_> = std::fs::read_dir(managed.join("managed-settings.d"))
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    beside.arrange();
    let first =
        [folder.user_config_path().to_owned(), folder.settings_path(), managed.join("managed-settings.json")];
    first.into_iter().chain(beside).collect()
}

/// The state of all files that affect connections to servers.
pub(crate) fn seen(folder: &StorageFolder, options: &HttpOptions) -> Seen {
    let client = options.client_certificate.iter();
    let client = client.flat_map(|files| [Some(files.certificate.clone()), files.key.clone()]).flatten();
    let files = files(folder).into_iter().chain(options.extra_ca.iter().cloned()).chain(client);
    files.map(|path| (path.clone(), OsFileSystem.stamp(&path).ok())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn put(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    fn with(files: &[PathBuf], environment: &[(&str, &str)]) -> Surroundings {
        Surroundings::layered(files, &|name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn proxy(surroundings: &Surroundings) -> Option<String> {
        surroundings.proxy().url.map(String::from)
    }

    const SHELL: [(&str, &str); 1] = [("HTTPS_PROXY", "http://shell:1")];

    #[test]
    fn later_settings_take_precedence_and_the_environment_comes_first() {
        let place = Place::new();
        let user =
            place.put("user.json", r#"{"env":{"HTTPS_PROXY":"http://user:1","NODE_EXTRA_CA_CERTS":"/ca"}}"#);
        let managed = place.put("managed.json", r#"{"env":{"HTTPS_PROXY":"http://managed:1"}}"#);
        assert_eq!(proxy(&with(&[], &SHELL)).as_deref(), Some("http://shell:1/"));
        assert_eq!(proxy(&with(std::slice::from_ref(&user), &SHELL)).as_deref(), Some("http://user:1/"));
        let all = with(&[user, managed], &SHELL);
        assert_eq!(proxy(&all).as_deref(), Some("http://managed:1/"));
        assert_eq!(all.extra_ca().as_deref(), Some(Path::new("/ca")));
        assert!(all.settings_name_a_proxy() && all.unreadable.is_empty());
    }

    #[test]
    fn settings_can_unset_an_environment_variable() {
        let place = Place::new();
        let user = place.put("user.json", r#"{"env":{"HTTPS_PROXY":""}}"#);
        let all = with(&[user], &SHELL);
        assert_eq!((proxy(&all), all.names_proxies()), (None, true));
    }

    #[test]
    fn lower_case_names_take_precedence_wherever_they_are_set() {
        let place = Place::new();
        let user = place.put("user.json", r#"{"env":{"HTTPS_PROXY":"http://user:1"}}"#);
        let all = with(&[user], &[("https_proxy", "http://shell:1")]);
        assert_eq!(proxy(&all).as_deref(), Some("http://shell:1/"));
    }

    #[test]
    fn unreadable_settings_are_skipped_and_reported_without_their_content() {
        let place = Place::new();
        for odd in ["", "{", "// hi\n{}", r#"{"env":{"HTTPS_PROXY":"http://me:secret@p"},}"#, "7"] {
            let user = place.put("user.json", odd);
            let all = with(std::slice::from_ref(&user), &SHELL);
            assert_eq!(proxy(&all).as_deref(), Some("http://shell:1/"), "{odd}");
            let [(path, why)] = all.unreadable.as_slice() else { panic!("{odd}: {:?}", all.unreadable) };
            assert!(*path == user && !why.contains("secret"), "{why}");
        }
        for odd in ["{}", "[]", r#"{"env":null}"#, r#"{"env":[1]}"#, r#"{"env":{"HTTPS_PROXY":null,"x":[]}}"#]
        {
            let all = with(&[place.put("user.json", odd)], &SHELL);
            assert!(proxy(&all).is_some() && all.unreadable.is_empty(), "{odd}");
        }
        let marked = place.put("user.json", "\u{feff}{\"env\":{\"HTTPS_PROXY\":\"http://user:1\"}}");
        assert_eq!(proxy(&with(&[marked], &SHELL)).as_deref(), Some("http://user:1/"));
        let missing = place.0.path().join("missing.json");
        assert!(with(&[missing], &SHELL).unreadable.is_empty());
        assert_eq!(with(&[place.0.path().to_owned()], &SHELL).unreadable.len(), 1);
    }

    #[cfg(unix)] // It makes a FIFO.
    #[test]
    fn a_fifo_instead_of_settings_does_not_block() {
        let place = Place::new();
        let pipe = place.0.path().join("settings.json");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (done, waits) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(with(&[pipe], &SHELL).unreadable.len()));
        assert_eq!(waits.recv_timeout(std::time::Duration::from_secs(10)), Ok(1));
    }

    #[test]
    fn only_the_value_that_node_accepts_disables_verification() {
        let name = "NODE_TLS_REJECT_UNAUTHORIZED";
        for (value, asks) in [("0", true), ("1", false), ("", false), ("false", false)] {
            assert_eq!(with(&[], &[(name, value)]).asks_not_to_verify(), asks, "{value}");
        }
        let place = Place::new();
        let user = place.put("user.json", r#"{"env":{"NODE_TLS_REJECT_UNAUTHORIZED":1}}"#);
        assert!(!with(&[user], &[(name, "0")]).asks_not_to_verify());
    }

    #[test]
    fn a_passphrase_is_never_shown() {
        let place = Place::new();
        let text =
            r#"{"env":{"CLAUDE_CODE_CLIENT_CERT":"/c","CLAUDE_CODE_CLIENT_KEY_PASSPHRASE":"open-sesame"}}"#;
        let all = with(&[place.put("user.json", text)], &[]);
        let client = all.client_certificate().unwrap();
        assert_eq!(client.passphrase.as_ref().map(|text| text.as_str()), Some("open-sesame"));
        assert!(!format!("{all:?} {client:?}").contains("sesame"));
    }
}
