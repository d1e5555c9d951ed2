//! A server with one expired login, and what a home has to hold for it.

use crate::Fallible;
use crate::user::{Machine, SERVER, User};
use scripted_server::{Grant, Kind, Listen, Script, Server, Site, TokenState, store_key};
use serde_json::{Map, Value, json};
use std::any::Any;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

/// One side of a case: its server, and everything of its home that is not the same for all.
pub(crate) struct Lab {
    pub(super) server: Server,
    site: Site,
    grant: Grant,
    /// The entry of the store.
    pub(super) entry: Map<String, Value>,
    /// `mcpOAuthClientConfig` of the store.
    pub(super) client_config: Option<Value>,
    /// What `.claude.json` says of the server.
    pub(super) configuration: Map<String, Value>,
    /// Variables for the client and the agent alike.
    pub(super) environment: Vec<(String, String)>,
    /// `env` of `~/.claude/settings.json`.
    pub(super) settings: Map<String, Value>,
    /// `env` of `/etc/claude-code/managed-settings.json`, which only this case's processes see.
    pub(super) managed: Map<String, Value>,
    /// The same of a file in `managed-settings.d` beside it.
    pub(super) managed_beside: Map<String, Value>,
    /// `settings.json` holds something that is no JSON.
    pub(super) broken_settings: bool,
    /// So many bytes of history in `.claude.json`.
    pub(super) history: usize,
    /// Another server, which must never see a token.
    pub(super) stranger: Option<Server>,
    /// Files, proxies and whatever else lives as long.
    pub(super) folder: TempDir,
    kept: Vec<Box<dyn Any>>,
}

impl Lab {
    /// A plain server on 127.0.0.1 with this script.
    pub(super) fn plain(script: Script) -> Fallible<Self> {
        Self::on(Server::start(script)?, TempDir::with_prefix("parity-")?)
    }

    /// A server that listens so.
    pub(super) fn listening(listen: &Listen, script: Script, folder: TempDir) -> Fallible<Self> {
        Self::on(Server::start_as(listen, script)?, folder)
    }

    fn on(server: Server, folder: TempDir) -> Fallible<Self> {
        let grant = server.grant(Duration::ZERO);
        let mut lab = Self {
            entry: Map::new(),
            client_config: None,
            configuration: Map::new(),
            environment: Vec::new(),
            settings: Map::new(),
            managed: Map::new(),
            managed_beside: Map::new(),
            broken_settings: false,
            history: 0,
            stranger: None,
            folder,
            kept: Vec::new(),
            site: Site::clone(&server),
            grant,
            server,
        };
        lab.take_entry();
        Ok(lab)
    }

    /// The entry and the configuration of the grant, as a login leaves them; the token has expired a minute ago.
    fn take_entry(&mut self) {
        self.entry = self.grant.entry(SERVER).as_object().cloned().unwrap_or_default();
        self.entry.insert("expiresAt".to_owned(), json!(self.grant.expires_at_ms.saturating_sub(60_000)));
        self.configuration = Map::from_iter([
            ("type".to_owned(), json!("http")),
            ("url".to_owned(), json!(self.grant.server_url)),
        ]);
    }

    /// A login at the site `/name` with a script of its own instead of the root site's.
    pub(super) fn at_site(mut self, name: &str, script: Script) -> Self {
        self.site = self.server.add(name, script);
        self.grant = self.site.grant(Duration::ZERO);
        self.take_entry();
        self
    }

    /// The login as the script makes it now.
    pub(super) fn granted_anew(mut self) -> Self {
        self.grant = self.site.grant(Duration::ZERO);
        self.take_entry();
        self
    }

    /// Replaces a member of the entry.
    pub(super) fn entry(mut self, name: &str, value: Value) -> Self {
        self.entry.insert(name.to_owned(), value);
        self
    }

    /// Takes members out of the entry.
    pub(super) fn without(mut self, names: &[&str]) -> Self {
        for name in names {
            self.entry.shift_remove(*name);
        }
        self
    }

    /// Replaces a member of the server's configuration.
    pub(super) fn configured(mut self, name: &str, value: Value) -> Self {
        self.configuration.insert(name.to_owned(), value);
        self
    }

    /// The server is known by this URL, to the client and in the entry.
    pub(super) fn known_as(self, url: &str) -> Self {
        self.entry("serverUrl", json!(url)).configured("url", json!(url))
    }

    /// A variable in the environment of client and agent.
    pub(super) fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// A variable in `env` of `~/.claude/settings.json`, and nowhere else.
    pub(super) fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.insert(name.to_owned(), json!(value.into()));
        self
    }

    /// A variable in `env` of the managed settings.
    pub(super) fn managed(mut self, name: &str, value: impl Into<String>) -> Self {
        self.managed.insert(name.to_owned(), json!(value.into()));
        self
    }

    /// A variable in `env` of a file beside the managed settings.
    pub(super) fn managed_beside(mut self, name: &str, value: impl Into<String>) -> Self {
        self.managed_beside.insert(name.to_owned(), json!(value.into()));
        self
    }

    /// Keeps something alive as long as the lab.
    pub(super) fn keeping(mut self, thing: impl Any) -> Self {
        self.kept.push(Box::new(thing));
        self
    }

    /// Kills the grant on the server.
    pub(super) fn killed(self) -> Self {
        self.server.kill(&self.grant.refresh_token);
        self
    }

    /// The server's client id and its secret, of which the entry need not know.
    pub(super) fn client(&self) -> (String, Option<String>) {
        (self.grant.client_id.clone(), self.grant.client_secret.clone())
    }

    /// The key of the entry.
    fn key(&self) -> String {
        let url = self.configuration.get("url").and_then(Value::as_str).unwrap_or_default();
        store_key(SERVER, url)
    }

    /// A home that holds all this.
    pub(super) fn furnish(&self, machine: &Machine) -> Fallible<User> {
        let person = User::with_nothing(machine)?;
        let mut configuration = Map::new();
        configuration.insert("mcpServers".to_owned(), json!({SERVER: self.configuration}));
        let mut text = Value::Object(configuration).to_string();
        if self.history > 0 {
            // A few long members and many short ones, as old installations have them. Put together as text: all cases share this thread.
            let entry = json!({"display": "x".repeat(200), "pastedContents": {}}).to_string();
            let history = vec![entry; self.history / 240].join(",");
            text.truncate(text.len() - 1);
            text.push_str(r#","projects":{"/home/somebody/project":{"history":["#);
            text.push_str(&history);
            text.push_str("]}}}");
        }
        fs::write(person.home().join(".claude.json"), text)?;
        if !self.settings.is_empty() {
            let settings = json!({"env": self.settings});
            fs::write(person.home().join(".claude/settings.json"), settings.to_string())?;
        }
        if self.has_managed_settings() {
            let folder = person.log("managed");
            fs::create_dir_all(folder.join("managed-settings.d"))?;
            let settings = json!({"env": self.managed});
            fs::write(folder.join("managed-settings.json"), settings.to_string())?;
            let beside = json!({"env": self.managed_beside});
            fs::write(folder.join("managed-settings.d/50-network.json"), beside.to_string())?;
        }
        if self.broken_settings {
            fs::write(person.home().join(".claude/settings.json"), "{\"env\": {")?;
        }
        let mut document = Map::new();
        document.insert("mcpOAuth".to_owned(), json!({self.key(): self.entry}));
        if let Some(client_config) = &self.client_config {
            document.insert("mcpOAuthClientConfig".to_owned(), json!({self.key(): client_config}));
        }
        person.write(&Value::Object(document))?;
        Ok(person)
    }

    fn has_managed_settings(&self) -> bool {
        !self.managed.is_empty() || !self.managed_beside.is_empty()
    }

    /// A program in this home, with what surrounds it.
    pub(super) fn command(&self, person: &User, program: &Path) -> Command {
        let mut command = if self.has_managed_settings() {
            let mut command = person.command("unshare");
            let there = r#"mount --bind "$0" /etc/claude-code && exec "$@""#;
            command.args(["--mount", "sh", "-c", there]).arg(person.log("managed")).arg(program);
            command
        } else {
            person.command(program)
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// How many refreshes were asked for.
    pub(super) fn requests(&self) -> usize {
        let refresh = |entry: &scripted_server::Entry| entry.kind == Kind::Token && entry.method == "POST";
        self.server.count(refresh)
    }

    /// Whether the home's pair works at the server.
    pub(super) fn is_fresh(&self, person: &User) -> bool {
        person.pair().is_some_and(|pair| self.site.accepts(&pair.access_token))
    }

    /// Whether the home's refresh token is still the one that works.
    pub(super) fn keeps_grant(&self, person: &User) -> bool {
        person.pair().is_some_and(|pair| self.site.state_of(&pair.refresh_token) == TokenState::Current)
    }

    /// Whether the server rotated, so that whoever asked must have kept the new token.
    pub(super) fn is_spent(&self) -> bool {
        let state = self.site.state_of(&self.grant.refresh_token);
        matches!(state, TokenState::Spent | TokenState::Revoked)
    }

    /// Whether a token went where none may go.
    pub(super) fn leaked(&self) -> bool {
        self.stranger.as_ref().is_some_and(|stranger| {
            stranger.count(|entry| entry.field("refresh_token").is_some() || entry.bearer().is_some()) > 0
        })
    }

    /// What the server was asked, a line for each request, for a person who wants to know why.
    pub(super) fn story(&self) -> String {
        let line = |entry: scripted_server::Entry| {
            let form: Vec<String> = entry
                .form
                .iter()
                .map(|(name, value)| format!("{name}={}", value.get(..60).unwrap_or(value)))
                .collect();
            let auth =
                entry.authorization.as_deref().and_then(|value| value.split(' ').next()).unwrap_or("-");
            format!(
                "    {} {} {auth} [{}] -> {:?} {:?} {}\n",
                entry.method,
                entry.path,
                form.join("&"),
                entry.status,
                entry.outcome,
                entry.detail
            )
        };
        self.server.log().into_iter().map(line).collect()
    }
}
