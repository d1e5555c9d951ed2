use super::redacted::without_password;
use super::table::{Findings, Table};
use compact::Map;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use toml::de::DeTable;
use url::Url;

/// Variables that hold a path, and those that name proxies.
const PATHS: [&str; 7] = [
    "CLAUDE_CONFIG_DIR",
    "CLAUDE_SECURESTORAGE_CONFIG_DIR",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CLAUDE_CODE_CLIENT_CERT",
    "CLAUDE_CODE_CLIENT_KEY",
];
/// The passphrase of the client's private key.
const PASSPHRASE: &str = "CLAUDE_CODE_CLIENT_KEY_PASSPHRASE";
/// Moves Claude Code's logins to where the agent cannot read them (Windows): an agent that does not know it would use old ones.
const CREDENTIAL_MANAGER: &str = "CLAUDE_CODE_FORCE_WINDOWS_CREDMAN";
/// The only one that means something when empty: that the store is in `~/.claude`, whatever `CLAUDE_CONFIG_DIR` says.
const MAY_BE_EMPTY: &str = "CLAUDE_SECURESTORAGE_CONFIG_DIR";
const PROXIES: [&str; 8] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "https_proxy",
    "http_proxy",
    "no_proxy",
];

/// Variables that a service does not inherit from the user's shell. Only those that affect this program or Claude Code's folders: this
/// is not a way to change other programs.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Environment(Map<&'static str, String>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl Environment {
    pub(super) fn parse(table: &DeTable<'_>, findings: &mut Findings<'_>) -> Self {
        let known: Vec<_> = names().collect();
        let table = Table::new("environment", table, &known, findings);
        let mut all = Map::new();
        for name in known {
            let Some((value, span)) = table.text(name, findings) else { continue };
            match judge(name, value) {
                Ok(()) => drop(all.insert(name, value.to_owned())),
                Err(why) => findings.note(span, format!("`environment.{name}` {why}")),
            }
        }
        Self(all)
    }

    /// Takes them from an environment. An empty variable counts as unset unless emptiness means something.
    ///
    /// # Errors
    /// Names a variable that a service cannot be given, and says why.
    pub(crate) fn of(env: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let mut all = Map::new();
        for name in names() {
            let Some(value) = env(name).filter(|value| !value.is_empty() || name == MAY_BE_EMPTY) else {
                continue;
            };
            let value = value.into_string().map_err(|_| format!("${name} is not UTF-8 text"))?;
            judge(name, &value).map_err(|why| format!("${name} {why}"))?;
            all.insert(name, value);
        }
        Ok(Self(all))
    }

    /// The variables that are not set in that environment.
    pub(crate) fn lacking_in(&self, env: &dyn Fn(&str) -> Option<OsString>) -> Vec<(&'static str, &str)> {
        let lacking = self.0.iter().filter(|(name, _)| env(name).is_none());
        lacking.map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Everything except the variables that locate Claude Code's folders.
    pub(crate) fn without_folders(&self) -> Self {
        let folders = ["CLAUDE_CONFIG_DIR", "CLAUDE_SECURESTORAGE_CONFIG_DIR"];
        let rest = self.0.iter().filter(|(name, _)| !folders.contains(name));
        Self(rest.map(|(name, value)| (*name, value.clone())).collect())
    }

    /// The variables whose values differ there.
    pub(crate) fn news_to(&self, other: &Self) -> Self {
        let news = self.0.iter().filter(|(name, value)| other.0.get(*name) != Some(*value));
        Self(news.map(|(name, value)| (*name, value.clone())).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, secrets included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Names and values without passwords, safe to show.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.0.iter().map(|(name, value)| {
            let shown = match proxy(name, value) {
                _ if *name == PASSPHRASE => "(hidden)".to_owned(),
                Some(url) if url.password().is_some() => without_password(&url),
                // A malformed URL may still contain a password.
                None if is_proxy(name) && value.contains('@') => "(hidden)".to_owned(),
                _ => value.clone(),
            };
            (*name, shown)
        })
    }

    /// Whether any of them holds a password.
    pub(crate) fn has_password(&self) -> bool {
        self.0.iter().any(|(name, value)| match proxy(name, value) {
            _ if *name == PASSPHRASE => true,
            Some(url) => url.password().is_some(),
            None => is_proxy(name) && value.contains('@'),
        })
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    PATHS.into_iter().chain(PROXIES).chain([PASSPHRASE, CREDENTIAL_MANAGER])
}

fn is_proxy(name: &str) -> bool {
    PROXIES.contains(&name) && !name.eq_ignore_ascii_case("NO_PROXY")
}

/// The proxy that a variable names. Many values omit the scheme.
fn proxy(name: &str, value: &str) -> Option<Url> {
    let url = |text: &str| Url::parse(text).ok().filter(Url::has_host);
    is_proxy(name).then(|| url(value).or_else(|| url(&format!("http://{value}")))).flatten()
}

fn judge(name: &str, value: &str) -> Result<(), &'static str> {
    if name == MAY_BE_EMPTY && value.is_empty() {
        return Ok(());
    }
    if value.is_empty() || value.chars().any(char::is_control) {
        return Err("must be a single line of text, and not empty");
    }
    if PATHS.contains(&name) && !Path::new(value).is_absolute() {
        return Err("must be an absolute path: a service is started elsewhere");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Environment, String> {
        Environment::of(&|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn only_what_a_service_needs_is_taken_from_a_shell() {
        let taken =
            of(&[("PATH", "/bin"), ("HTTPS_PROXY", "http://p:3128"), ("NO_PROXY", ""), ("LD_PRELOAD", "/x")]);
        assert_eq!(taken.unwrap().iter().collect::<Vec<_>>(), [("HTTPS_PROXY", "http://p:3128")]);
    }

    #[test]
    fn an_empty_secure_storage_folder_is_kept() {
        let taken = of(&[("CLAUDE_SECURESTORAGE_CONFIG_DIR", ""), ("CLAUDE_CONFIG_DIR", "")]).unwrap();
        assert_eq!(taken.iter().collect::<Vec<_>>(), [("CLAUDE_SECURESTORAGE_CONFIG_DIR", "")]);
    }

    #[test]
    fn a_relative_path_is_refused() {
        let refused = of(&[("CLAUDE_CONFIG_DIR", "work/.claude")]).unwrap_err();
        assert!(refused.starts_with("$CLAUDE_CONFIG_DIR must be an absolute path"), "{refused}");
    }

    #[test]
    fn a_password_is_never_shown() {
        for value in [
            "http://me:secret@p:3128",
            "me:secret@p:3128",
            "socks5://me:secret@p",
            "secret@@ [",
            "%%:secret@",
        ] {
            let taken = of(&[("ALL_PROXY", value)]).unwrap();
            assert!(taken.has_password(), "{value}");
            assert!(!format!("{taken:?}").contains("secret"), "{taken:?}");
        }
        assert!(!of(&[("https_proxy", "http://p:3128"), ("no_proxy", "a@b")]).unwrap().has_password());
    }

    #[test]
    fn a_keys_passphrase_is_a_password() {
        let taken = of(&[(PASSPHRASE, "open-sesame")]).unwrap();
        assert!(taken.has_password() && !format!("{taken:?}").contains("sesame"), "{taken:?}");
    }

    #[cfg(unix)] // Its paths are those of Unix.
    #[test]
    fn the_environment_takes_precedence_even_if_empty() {
        let kept = of(&[("HTTPS_PROXY", "http://p"), ("SSL_CERT_FILE", "/ca")]).unwrap();
        let lacking = kept.lacking_in(&|name| (name == "HTTPS_PROXY").then(OsString::new));
        assert_eq!(lacking, [("SSL_CERT_FILE", "/ca")]);
        assert_eq!(
            kept.news_to(&of(&[("SSL_CERT_FILE", "/ca")]).unwrap()),
            of(&[("HTTPS_PROXY", "http://p")]).unwrap()
        );
    }
}
