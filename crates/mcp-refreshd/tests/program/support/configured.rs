//! A server called lab, in the user's configuration, and logged in.

use super::Home;
use scripted_server::{Grant, Script, Server, Site};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::Duration;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) struct Scene {
    pub(crate) home: Home,
    pub(crate) lab: Site,
    pub(crate) grant: Grant,
    _server: Server,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let server = Server::start(Script::default()).unwrap();
        let lab = server.add("lab", Script::default());
        let grant = lab.grant(HOUR);
        let home = Home::with([("lab", &grant)]);
        let scene = Self { home, lab, grant, _server: server };
        scene.configure(&scene.home.path().join(".claude.json"));
        scene
    }

    pub(crate) fn configure(&self, file: &Path) {
        let configured = json!({"mcpServers": {"lab": {"type": "http", "url": self.lab.mcp_url()}}});
        fs::write(file, configured.to_string()).unwrap();
    }
}
