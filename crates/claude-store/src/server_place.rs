//! The places in Claude Code's configuration files where one server stands, and the command that fetches its headers there.

mod edit;
mod error;
mod place;
mod splice;

pub use edit::Edited;
pub use error::ConfigError;
pub use place::{Place, Scope};

use crate::json::{Object, decode_string};
use crate::{FileSystem, StorageFolder};
use edit::{Kind, change, read, writable};
use oauth_secret::SecretBytes;
use place::HELPER;
use std::io;
use std::path::{Path, PathBuf};

/// How many projects to look at.
const PROJECTS: usize = 1000;

/// The configuration files of one client.
#[derive(Debug)]
pub struct ServerPlaces<F: FileSystem> {
    files: F,
    user_config: PathBuf,
}

impl<F: FileSystem> ServerPlaces<F> {
    /// Those of the client that uses this storage folder.
    #[must_use]
    pub fn new(files: F, folder: &StorageFolder) -> Self {
        Self { files, user_config: folder.user_config_path().to_owned() }
    }

    /// Every place that configures a server of this name with this URL. Plugins are not looked at.
    ///
    /// # Errors
    /// The user's configuration cannot be read or understood. A project's file that cannot is passed over: the client does not
    /// use it either.
    pub fn find(&self, name: &str, url: &str) -> Result<Vec<Place>, ConfigError> {
        let bytes = read(&self.files, &self.user_config, Kind::User)?;
        let text = splice::text(&self.user_config, &bytes)?;
        let root = splice::root(&self.user_config, text)?;
        let mut places = Vec::new();
        let mut add = |file: &Path, scope: Scope, servers: Option<&str>, trusted: bool| {
            let place = servers.and_then(|servers| splice::server(servers, name));
            places.extend(place.and_then(|server| looked_at(&server, url, file, scope, trusted)));
        };
        add(&self.user_config, Scope::User, splice::member(&root, "mcpServers"), true);
        let projects = splice::member(&root, "projects").and_then(|raw| Object::parse(raw).ok());
        for project in projects.iter().flat_map(|projects| &projects.members).take(PROJECTS) {
            let Ok(settings) = Object::parse(project.value) else { continue };
            let trusted = splice::member(&settings, "hasTrustDialogAccepted") == Some("true");
            let folder = project.key.to_string();
            let shared = Path::new(&folder).join(".mcp.json");
            let local = Scope::Local { project: folder.clone() };
            add(&self.user_config, local, splice::member(&settings, "mcpServers"), trusted);
            let Ok(bytes) = read(&self.files, &shared, Kind::Project) else { continue };
            let Ok(text) = splice::text(&shared, &bytes) else { continue };
            let Ok(root) = splice::root(&shared, text) else { continue };
            add(&shared, Scope::Project { project: folder }, splice::member(&root, "mcpServers"), trusted);
        }
        Ok(places)
    }

    /// Checks that the file of this place can be replaced, without changing it.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn writable(&self, place: &Place) -> Result<(), ConfigError> {
        writable(&self.files, &place.file).map(drop)
    }

    /// Sets the command that fetches the headers of the server `name`, durably. Every other byte stays. A command that is there already
    /// is left alone. Must be called inside a [`LocalSet`](tokio::task::LocalSet).
    ///
    /// # Errors
    /// The file cannot be read or replaced, or names the server no longer, or has another command.
    pub async fn set(&self, place: &Place, name: &str, command: &str) -> Result<Edited, ConfigError> {
        self.edit(place, &|text| splice::with_helper(text, place, name, command)).await
    }

    /// Removes that command, durably; one that is not `command` is left alone. What [`set`](Self::set) wrote is gone to the byte.
    ///
    /// # Errors
    /// The file cannot be read or replaced. One that is gone, or names the server no longer, needs no change.
    pub async fn unset(&self, place: &Place, name: &str, command: &str) -> Result<Edited, ConfigError> {
        match self.edit(place, &|text| splice::without_helper(text, place, name, command)).await {
            Err(ConfigError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Edited::Unchanged)
            }
            Err(ConfigError::NotThere { .. }) => Ok(Edited::Unchanged),
            edited => edited,
        }
    }

    async fn edit(
        &self,
        place: &Place,
        edit: &dyn Fn(&str) -> Result<Option<SecretBytes>, ConfigError>,
    ) -> Result<Edited, ConfigError> {
        let kind = match place.scope {
            Scope::User | Scope::Local { .. } => Kind::User,
            Scope::Project { .. } => Kind::Project,
        };
        change(&self.files, &place.file, kind, edit).await
    }
}

/// What matters of a server's configuration, if it has this URL.
fn looked_at(server: &Object<'_>, url: &str, file: &Path, scope: Scope, trusted: bool) -> Option<Place> {
    let string = |name: &str| splice::member(server, name).and_then(decode_string);
    if string("url")? != url {
        return None;
    }
    let headers = splice::member(server, "headers").and_then(|raw| Object::parse(raw).ok());
    let authorization = headers.is_some_and(|headers| {
        headers.members.iter().any(|header| header.key.eq_ignore_ascii_case("authorization"))
    });
    let helper = string(HELPER).map(|helper| helper.into_owned()).filter(|helper| !helper.is_empty());
    Some(Place { file: file.to_owned(), scope, helper, authorization, trusted })
}

// They set modes and make symbolic links.
#[cfg(test)]
#[cfg(unix)]
mod tests;
