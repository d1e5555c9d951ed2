use crate::{FileSystem, StorageFolder};
use compact::Map;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use zeroize::Zeroizing;

/// Limit for the user's configuration, where the client also stores histories: 100 MB have been seen. It is read as a stream.
const USER_CONFIG_LIMIT: u64 = 512 << 20;

/// Limit for a project's `.mcp.json`.
const PROJECT_CONFIG_LIMIT: u64 = 1 << 20;

/// How many projects to read.
const PROJECTS: usize = 1000;

/// The MCP servers configured by the user: globally, per project, or in a project's `.mcp.json`.
///
/// Read for a few facts only. Malformed parts are ignored, because reporting them is up to the client. Servers from plugins are not
/// included.
#[derive(Clone, Default)]
pub struct ServerConfigs {
    servers: Map<String, Vec<Server>>,
    /// The user's `env`, verbatim; it may hold passwords.
    env: Option<Zeroizing<String>>,
}

impl fmt::Debug for ServerConfigs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfigs").field("servers", &self.servers).finish_non_exhaustive()
    }
}

/// The relevant parts of a server's configuration.
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
    projects: Lenient<Projects>,
    #[serde(default)]
    env: Option<Box<RawValue>>,
}

/// The servers of each project. Everything else in a project, mainly its history, is skipped.
#[derive(Default)]
struct Projects(Vec<(String, Project)>);

/// The `mcpServers` member of a project.
#[derive(Default)]
struct Project {
    servers: Option<Box<RawValue>>,
}

impl Members for Projects {
    fn take<'de, A: MapAccess<'de>>(&mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(path) = members.next_key()? {
            let project = members.next_value::<Lenient<Project>>()?.0;
            // Read the rest anyway, to reach the following members.
            if self.0.len() < PROJECTS {
                self.0.push((path, project));
            }
        }
        Ok(())
    }
}

impl Members for Project {
    fn take<'de, A: MapAccess<'de>>(&mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            if name == "mcpServers" {
                self.servers = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The relevant parts of an object, collected while it streams by.
trait Members: Default {
    fn take<'de, A: MapAccess<'de>>(&mut self, members: A) -> Result<(), A::Error>;
}

/// An object; any other value counts as an empty one.
#[derive(Default)]
struct Lenient<T>(T);

impl<'de, T: Members> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Take(PhantomData)).map(Self)
    }
}

struct Take<T>(PhantomData<T>);

impl<'de, T: Members> Visitor<'de> for Take<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        let mut taken = T::default();
        taken.take(members)?;
        Ok(taken)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<T, E> {
        Ok(T::default())
    }
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
    /// Reads the current configurations; unreadable ones count as empty.
    #[must_use]
    pub fn read<F: FileSystem>(files: &F, folder: &StorageFolder) -> Self {
        Self::known(files, folder).unwrap_or_default()
    }

    /// Like [`read`](Self::read), but `None` if the user's configuration is missing or unreadable, so that an unknown server is not
    /// mistaken for an unconfigured one.
    #[must_use]
    pub fn known<F: FileSystem>(files: &F, folder: &StorageFolder) -> Option<Self> {
        let mut configs = Self::default();
        let user = read_json::<UserConfig, F>(files, folder.user_config_path(), USER_CONFIG_LIMIT)?;
        configs.add(user.servers.as_deref());
        configs.env = user.env.map(|env| Zeroizing::new(env.get().to_owned()));
        for (path, project) in user.projects.0.0.into_iter().take(PROJECTS) {
            configs.add(project.servers.as_deref());
            let shared = Path::new(&path).join(".mcp.json");
            if let Some(shared) = read_json::<UserConfig, F>(files, &shared, PROJECT_CONFIG_LIMIT) {
                configs.add(shared.servers.as_deref());
            }
        }
        Some(configs)
    }

    fn add(&mut self, servers: Option<&RawValue>) {
        let servers: Map<String, Box<RawValue>> = parse(servers).unwrap_or_default();
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

    /// The configured location of the authorization server's metadata (`oauth.authServerMetadataUrl`) for the server with this name
    /// and URL.
    #[must_use]
    pub fn metadata_url(&self, server_name: &str, server_url: &str) -> Option<String> {
        let servers = self.servers.get(server_name)?;
        let same_url = servers.iter().filter(|server| server.url.as_deref() == Some(server_url));
        same_url.filter_map(|server| server.metadata_url.clone()).find(|url| !url.is_empty())
    }

    /// The configured client (`oauth.clientId`) for the server with this name and URL.
    #[must_use]
    pub fn client_id(&self, server_name: &str, server_url: &str) -> Option<String> {
        let servers = self.servers.get(server_name)?;
        let same_url = servers.iter().filter(|server| server.url.as_deref() == Some(server_url));
        same_url.filter_map(|server| server.client_id.clone()).find(|id| !id.is_empty())
    }

    /// The JSON of the member `env` of the user's configuration: variables that the client sets for itself. Who has read these configurations
    /// need not read that file, which may be long, once more.
    #[must_use]
    pub fn env(&self) -> Option<&str> {
        self.env.as_ref().map(|env| env.as_str())
    }

    /// The names of all servers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.servers.keys().map(String::as_str)
    }

    /// Whether any configuration names this server.
    #[must_use]
    pub fn knows(&self, server_name: &str) -> bool {
        self.servers.contains_key(server_name)
    }
}

fn read_json<T: DeserializeOwned, F: FileSystem>(files: &F, path: &Path, limit: u64) -> Option<T> {
    serde_json::from_reader(files.reader(path, limit).ok()?).ok()
}

fn parse<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}
