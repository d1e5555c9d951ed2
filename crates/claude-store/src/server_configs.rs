use crate::{FileSystem, StorageFolder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::Path;

/// Limit for the user's configuration, in which the client also keeps histories.
const USER_CONFIG_LIMIT: u64 = 32 << 20;

/// Limit for a project's `.mcp.json`.
const PROJECT_CONFIG_LIMIT: u64 = 1 << 20;

/// How many projects are looked at.
const PROJECTS: usize = 1000;

/// The MCP servers that the user configured: for every project, for one, or in a project's `.mcp.json`.
///
/// Read for a few facts only. Whatever is odd in these files is passed over: they are the user's, and the client's to complain
/// about. Servers that come with plugins are in none of them.
#[derive(Clone, Debug, Default)]
pub struct ServerConfigs {
    servers: BTreeMap<String, Vec<Server>>,
}

/// What is of interest in one server's configuration.
#[derive(Clone, Debug)]
struct Server {
    url: Option<String>,
    metadata_url: Option<String>,
    client_id: Option<String>,
}

#[derive(Deserialize)]
struct UserConfig {
    #[serde(default, rename = "mcpServers")]
    servers: Option<Box<RawValue>>,
    #[serde(default)]
    projects: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct ServerConfig {
    url: Option<Box<RawValue>>,
    oauth: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct OAuthConfig {
    #[serde(rename = "authServerMetadataUrl")]
    metadata_url: Option<Box<RawValue>>,
    #[serde(rename = "clientId")]
    client_id: Option<Box<RawValue>>,
}

impl ServerConfigs {
    /// Reads the configurations as they are now; those that cannot be read count as empty.
    #[must_use]
    pub fn read<F: FileSystem>(files: &F, folder: &StorageFolder) -> Self {
        let mut configs = Self::default();
        let Some(user) = read_json::<UserConfig, F>(files, folder.user_config_path(), USER_CONFIG_LIMIT)
        else {
            return configs;
        };
        configs.add(user.servers.as_deref());
        let projects: BTreeMap<String, Box<RawValue>> = parse(user.projects.as_deref()).unwrap_or_default();
        for (path, project) in projects.into_iter().take(PROJECTS) {
            configs.add(parse::<UserConfig>(Some(&project)).and_then(|project| project.servers).as_deref());
            let shared = Path::new(&path).join(".mcp.json");
            if let Some(shared) = read_json::<UserConfig, F>(files, &shared, PROJECT_CONFIG_LIMIT) {
                configs.add(shared.servers.as_deref());
            }
        }
        configs
    }

    fn add(&mut self, servers: Option<&RawValue>) {
        let servers: BTreeMap<String, Box<RawValue>> = parse(servers).unwrap_or_default();
        for (name, raw) in servers {
            let Some(config) = parse::<ServerConfig>(Some(&raw)) else { continue };
            let oauth = parse::<OAuthConfig>(config.oauth.as_deref());
            self.servers.entry(name).or_default().push(Server {
                url: parse(config.url.as_deref()),
                client_id: oauth.as_ref().and_then(|oauth| parse(oauth.client_id.as_deref())),
                metadata_url: oauth.and_then(|oauth| parse(oauth.metadata_url.as_deref())),
            });
        }
    }

    /// Where the user says that the authorization server's metadata is (`oauth.authServerMetadataUrl`), for the server of this
    /// name and URL.
    #[must_use]
    pub fn metadata_url(&self, server_name: &str, server_url: &str) -> Option<String> {
        let servers = self.servers.get(server_name)?;
        let same_url = servers.iter().filter(|server| server.url.as_deref() == Some(server_url));
        same_url.filter_map(|server| server.metadata_url.clone()).find(|url| !url.is_empty())
    }

    /// The client that the user configured (`oauth.clientId`) for the server of this name and URL.
    #[must_use]
    pub fn client_id(&self, server_name: &str, server_url: &str) -> Option<String> {
        let servers = self.servers.get(server_name)?;
        let same_url = servers.iter().filter(|server| server.url.as_deref() == Some(server_url));
        same_url.filter_map(|server| server.client_id.clone()).find(|id| !id.is_empty())
    }

    /// Whether any configuration names this server.
    #[must_use]
    pub fn knows(&self, server_name: &str) -> bool {
        self.servers.contains_key(server_name)
    }
}

fn read_json<T: DeserializeOwned, F: FileSystem>(files: &F, path: &Path, limit: u64) -> Option<T> {
    let (bytes, _) = files.read(path, limit).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn parse<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}
