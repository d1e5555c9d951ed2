//! Whether Claude Code keeps its logins in Windows Credential Manager instead of its file.
//!
//! Claude Code 2.1.332 does so if its environment has [`VARIABLE`] with the value 1, or if its configuration caches the feature flag
//! [`FLAG`] as true (read in its program; its settings become part of its environment). It stores the document in several
//! pieces there, which this program does not read.

use crate::settings::surroundings::{files, settings_of};
use claude_store::{FileSystem, OsFileSystem, Stamp, StorageFolder};
use serde::Deserialize;
use std::cell::RefCell;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

const VARIABLE: &str = "CLAUDE_CODE_FORCE_WINDOWS_CREDMAN";
const FLAG: &str = "tengu_windows_credman";

/// The state of the files, and what they said then.
type Answer = (Vec<Option<Stamp>>, Option<String>);

/// The files that decide, and what they said last.
pub(crate) struct CredentialManager {
    folder: StorageFolder,
    last: RefCell<Option<Answer>>,
}

impl CredentialManager {
    /// For the client of this folder.
    pub(crate) fn of(folder: &StorageFolder) -> Self {
        Self { folder: folder.clone(), last: RefCell::new(None) }
    }

    /// Where the logins are, and what to do, if they are in Credential Manager. Files are read again only if they have changed.
    pub(crate) fn in_use(&self) -> Option<String> {
        let files = files(&self.folder);
        let now: Vec<_> = files.iter().map(|path| OsFileSystem.stamp(path).ok()).collect();
        let mut last = self.last.borrow_mut();
        if let Some((_, answer)) = last.as_ref().filter(|(then, _)| *then == now) {
            return answer.clone();
        }
        let environment = std::env::var(VARIABLE).ok();
        let cause = cause(environment.as_deref(), &files, self.folder.user_config_path());
        let answer = cause.map(|cause| explained(&cause));
        *last = Some((now, answer.clone()));
        answer
    }
}

/// What makes Claude Code use Credential Manager.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    Environment,
    Settings(PathBuf),
    Flag(PathBuf),
}

/// Later files take precedence over earlier ones, and all of them over the environment.
fn cause(environment: Option<&str>, files: &[PathBuf], config: &Path) -> Option<Cause> {
    let mut set = environment.map(|value| (value.to_owned(), Cause::Environment));
    for path in files {
        let value = settings_of(path).and_then(|mut settings| settings.remove(VARIABLE));
        set = value.map(|value| (value, Cause::Settings(path.clone()))).or(set);
    }
    match set {
        Some((value, cause)) if value == "1" => Some(cause),
        _ => flag(config).then(|| Cause::Flag(config.to_owned())),
    }
}

/// Whether the client's configuration caches the flag as true. One that cannot be read says nothing.
fn flag(config: &Path) -> bool {
    #[derive(Deserialize)]
    struct Features {
        #[serde(default)]
        tengu_windows_credman: serde_json::Value,
    }
    #[derive(Deserialize)]
    struct Cached {
        #[serde(rename = "cachedGrowthBookFeatures")]
        now: Option<Features>,
        #[serde(rename = "cachedFeatureFlags")]
        before: Option<Features>,
    }
    let Ok(file) = File::open(config) else { return false };
    let cached: Result<Cached, _> = serde_json::from_reader(BufReader::with_capacity(1 << 16, file));
    let features = cached.ok().and_then(|cached| cached.now.or(cached.before));
    features.is_some_and(|features| features.tengu_windows_credman == true)
}

fn explained(cause: &Cause) -> String {
    const AGAIN: &str = "restart Claude Code and the agent, and log in again: claude mcp login";
    let (why, cure) = match cause {
        Cause::Environment => (
            format!("{VARIABLE}=1 in the environment, or in `[environment]` of the configuration"),
            format!("To have them refreshed, remove it there, {AGAIN}"),
        ),
        Cause::Settings(path) => (
            format!("{VARIABLE} in {}", path.display()),
            format!("To have them refreshed, remove it there, {AGAIN}"),
        ),
        Cause::Flag(path) => (
            format!("{FLAG} in {}, which Anthropic sets", path.display()),
            "Claude Code refreshes them itself, as it does without this agent".to_owned(),
        ),
    };
    format!(
        "Claude Code keeps its logins in Windows Credential Manager ({why}), which mcp-refreshd cannot read. The file may hold old logins, so \
         nothing is refreshed. {cure}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Place(tempfile::TempDir);

    impl Place {
        fn put(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    fn place() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    const NOWHERE: &str = "/nonexistent";

    #[test]
    fn only_the_value_that_the_client_accepts_counts() {
        let of = |value| cause(value, &[], Path::new(NOWHERE));
        assert_eq!(of(Some("1")), Some(Cause::Environment));
        for other in [None, Some(""), Some("0"), Some("true")] {
            assert_eq!(of(other), None, "{other:?}");
        }
    }

    #[test]
    fn settings_take_precedence_over_the_environment() {
        let place = place();
        let on = place.put("on.json", r#"{"env":{"CLAUDE_CODE_FORCE_WINDOWS_CREDMAN":1}}"#);
        let off = place.put("off.json", r#"{"env":{"CLAUDE_CODE_FORCE_WINDOWS_CREDMAN":"0"}}"#);
        let broken = place.put("broken.json", "{");
        let of = |files: &[&PathBuf], environment| {
            cause(
                environment,
                &files.iter().map(|path| (*path).clone()).collect::<Vec<_>>(),
                Path::new(NOWHERE),
            )
        };
        assert_eq!(of(&[&broken, &on], None), Some(Cause::Settings(on.clone())));
        assert_eq!(of(&[&on, &off], None), None);
        assert_eq!(of(&[&off], Some("1")), None);
    }

    #[test]
    fn the_flag_counts_where_the_client_reads_it() {
        let place = place();
        for (text, on) in [
            (r#"{"cachedGrowthBookFeatures":{"tengu_windows_credman":true,"other":[1]}}"#, true),
            (r#"{"cachedFeatureFlags":{"tengu_windows_credman":true}}"#, true),
            (r#"{"cachedGrowthBookFeatures":{},"cachedFeatureFlags":{"tengu_windows_credman":true}}"#, false),
            (r#"{"cachedGrowthBookFeatures":{"tengu_windows_credman":"true"}}"#, false),
            (r#"{"tengu_windows_credman":true}"#, false),
            ("{}", false),
            ("", false),
        ] {
            let config = place.put("config.json", text);
            assert_eq!(cause(None, &[], &config), on.then(|| Cause::Flag(config.clone())), "{text}");
        }
    }

    #[test]
    fn a_change_of_the_settings_is_noticed() {
        let place = place();
        let env = |name: &str| (name == "CLAUDE_CONFIG_DIR").then(|| place.0.path().into());
        let folder = StorageFolder::from_env(&env, Path::new(NOWHERE));
        let watched = CredentialManager::of(&folder);
        assert_eq!(watched.in_use(), None);
        place.put("settings.json", r#"{"env":{"CLAUDE_CODE_FORCE_WINDOWS_CREDMAN":"1"}}"#);
        let told = watched.in_use().unwrap();
        assert!(told.contains("settings.json") && told.contains("claude mcp login"), "{told}");
        assert_eq!(watched.in_use(), Some(told));
        place.put("settings.json", "{}");
        assert_eq!(watched.in_use(), None);
    }
}
