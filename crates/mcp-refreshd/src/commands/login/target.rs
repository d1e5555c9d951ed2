//! What a login of our own is for.

use crate::agent::stores::{self, storage_folders};
use crate::agent::vault::Vault;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy;
use crate::terminal::wording::{quoted, visible};
use claude_store::{
    AnyStore, Entry, EntryKey, OsFileSystem, RawEntry, ReadError, ServerConfigs, StorageFolder, Store,
};
use oauth_secret::{ClientSecret, RefreshToken};
use refresh_engine::{Records, Verdict};
use sha2::{Digest, Sha256};
use std::rc::Rc;
use url::Url;

/// A server to log in to.
pub(super) struct Target {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) key: EntryKey,
    /// The client of its last login.
    pub(super) client: Option<(String, Option<ClientSecret>)>,
    /// Where Claude Code's configuration says the metadata is.
    pub(super) metadata_url: Option<String>,
    /// Whether Claude Code's configuration names this server.
    pub(super) configured: bool,
    /// Claude Code's entry of it, if there is one: without tokens, or with one that the server has called dead. It stands in the way of the
    /// new login.
    pub(super) left: Option<Left>,
}

/// Whether this is a URL and no name.
pub(super) fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// Whether the vault holds a login of this name.
pub(super) async fn is_owned(name: &str, config: &Config, paths: &Paths) -> Result<bool, Failure> {
    let Some(vault) = Vault::open(config, paths)? else { return Ok(false) };
    Ok(vault.list().await?.iter().any(|entry| entry.server_name == name || entry.key.as_str() == name))
}

/// Finds the server by its URL, or by the name under which an entry has it.
pub(super) async fn find(
    wanted: &str,
    name: Option<&str>,
    vault: &Vault,
    config: &Config,
    paths: &Paths,
) -> Result<Target, Failure> {
    let person = |why: String| Failure::new(Exit::Person, why);
    let fits = |entry: &Entry| match is_url(wanted) {
        true => {
            entry.server_url.as_deref() == Some(wanted) && name.is_none_or(|name| name == entry.server_name)
        }
        false => entry.server_name == wanted || entry.key.as_str() == wanted,
    };
    let owned = vault.list().await?;
    let mut known = owned.iter().find(|entry| fits(entry)).cloned();
    let mut left = None;
    if known.is_none() {
        for Shared { store, entry, text } in shared(config, paths).await? {
            if !fits(&entry) {
                continue;
            }
            let location = store.location().to_owned();
            let dead = is_dead(paths, &location, &entry);
            if !dead && entry.refresh_token.is_some() {
                return Err(person(format!(
                    "Claude Code's store holds a login of {name}; to move it into the vault, type: mcp-refreshd own {}; to log in anew, type: {}",
                    quoted(&entry.server_name),
                    remedy::login(&entry.server_name, &location),
                    name = visible(&entry.server_name),
                )));
            }
            left = Some(Left { store, text: dead.then_some(text) });
            known = Some(entry);
        }
    }
    let url = match (is_url(wanted), &known) {
        (true, _) => wanted.to_owned(),
        (false, Some(entry)) => entry.server_url.clone().ok_or_else(|| {
            person(format!("the entry of {} has no URL; name the URL instead", visible(wanted)))
        })?,
        (false, None) => {
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "no login of {} is known; name the server's URL instead, with --name {}",
                    visible(wanted),
                    quoted(wanted)
                ),
            ));
        }
    };
    let name = match (name, &known) {
        (Some(name), _) => name.to_owned(),
        (None, Some(entry)) => entry.server_name.clone(),
        (None, None) => name_of(&url)?,
    };
    let key = known.as_ref().map_or_else(|| key_of(&name, &url), |entry| entry.key.clone());
    if let Some(other) = owned.iter().find(|entry| entry.server_name == name && entry.key != key) {
        let of = other.server_url.as_deref().unwrap_or_default().split('?').next().unwrap_or_default();
        return Err(person(format!(
            "the vault has another server called {} ({}); choose another --name",
            visible(&name),
            visible(of)
        )));
    }
    let folder = client_folder(config, paths);
    let configs =
        folder.as_ref().map(|folder| ServerConfigs::read(&OsFileSystem, folder)).unwrap_or_default();
    Ok(Target {
        metadata_url: configs.metadata_url(&name, &url),
        configured: configs.knows(&name),
        client: known.and_then(|entry| Some((entry.client_id?, entry.client_secret))),
        name,
        url,
        key,
        left,
    })
}

/// The folder whose settings count.
pub(super) fn client_folder(config: &Config, paths: &Paths) -> Option<StorageFolder> {
    storage_folders(config, paths).into_iter().next()
}

/// What Claude Code's store holds of a server.
pub(super) struct Left {
    pub(super) store: Rc<AnyStore>,
    /// The entry's text, if a dead token is to be taken out.
    pub(super) text: Option<RawEntry>,
}

/// An entry of Claude Code's, and its text there.
struct Shared {
    store: Rc<AnyStore>,
    entry: Entry,
    text: RawEntry,
}

async fn shared(config: &Config, paths: &Paths) -> Result<Vec<Shared>, Failure> {
    let mut entries = Vec::new();
    for folder in storage_folders(config, paths) {
        let store = Rc::new(stores::open(config, paths, &folder, &|_| false).await.store);
        let unreadable = |why: String| Failure::new(Exit::Unreadable, visible(&why));
        let snapshot = match store.read().await {
            Ok(snapshot) => snapshot,
            Err(ReadError::Absent { .. }) => continue,
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let document =
            snapshot.document().map_err(|error| unreadable(format!("{}: {error}", store.location())))?;
        entries.extend(document.entries().map(|entry| Shared {
            store: Rc::clone(&store),
            entry: entry.clone(),
            text: RawEntry::new(document.raw_entry(&entry.key).unwrap_or_default()),
        }));
    }
    Ok(entries)
}

/// Whether the server has said that this very refresh token will never work again.
fn is_dead(paths: &Paths, location: &str, entry: &Entry) -> bool {
    let Some(token) = entry.refresh_token.as_ref().map(RefreshToken::digest) else { return false };
    Records::peek(OsFileSystem, &paths.state).read(location, &entry.key, |record| {
        let dead = matches!(record.verdict, Verdict::Dead { .. } | Verdict::ClientDead { .. });
        dead && record.refresh == Some(token)
    })
}

/// A name for the server at this URL, of the characters that Claude Code allows.
fn name_of(url: &str) -> Result<String, Failure> {
    let usage = |why: &str| {
        Failure::new(Exit::Usage, format!("{why}: {}", visible(url.split('?').next().unwrap_or_default())))
    };
    let parsed = Url::parse(url).map_err(|_| usage("not a valid URL"))?;
    let host = parsed.host_str().ok_or_else(|| usage("the URL has no host"))?;
    let host = host.strip_prefix("mcp.").unwrap_or(host);
    let dashed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    Ok(host.chars().map(dashed).collect::<String>().trim_matches('-').to_owned())
}

/// The key that Claude Code gives an HTTP server without headers (measured), so that `disown` puts the login where it looks.
fn key_of(name: &str, url: &str) -> EntryKey {
    let configuration = serde_json::json!({"type": "http", "url": url, "headers": {}}).to_string();
    let digest = Sha256::digest(configuration.as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    EntryKey::new(format!("{name}|{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_the_host_and_a_key_as_the_client_makes_it() {
        assert_eq!(name_of("https://mcp.linear.app/mcp").unwrap(), "linear-app");
        assert_eq!(name_of("http://127.0.0.1:8080/mcp").unwrap(), "127-0-0-1");
        assert!(name_of("https://").is_err());
        let url = "http://127.0.0.1:9000/lab/mcp";
        assert_eq!(key_of("lab", url).as_str(), scripted_server::store_key("lab", url));
    }
}
