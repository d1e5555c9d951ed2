use crate::support::{Daemon, Home};
use scripted_security::{Keychain, program};
use scripted_server::{Grant, Site};
use serde_json::Value;
use std::process::Command;

pub(crate) const SERVICE: &str = "Claude Code-credentials";
pub(crate) const ITEM: &str = "keychain:Claude Code-credentials (account me)";

/// A home folder whose document is in a Keychain.
pub(crate) struct Mac {
    pub(crate) home: Home,
    pub(crate) keychain: Keychain,
}

impl Mac {
    pub(crate) fn empty() -> Self {
        let home = Home::new();
        std::fs::create_dir(home.path().join(".claude")).unwrap();
        home.configure("keychain = \"security\"\n");
        let keychain = Keychain::at(home.path()).unwrap();
        Self { home, keychain }
    }

    pub(crate) fn with(document: &str) -> Self {
        let mac = Self::empty();
        mac.put(document);
        mac
    }

    pub(crate) fn put(&self, document: &str) {
        self.keychain.put(SERVICE, "me", document).unwrap();
    }

    pub(crate) fn stored(&self) -> Value {
        serde_json::from_str(&self.keychain.content(SERVICE).unwrap()).unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        command.env("USER", "me").env("MCP_REFRESHD_TEST_SECURITY", program().unwrap());
        command
    }

    pub(crate) fn start(&self) -> Daemon {
        Daemon::start(self.command(&["run"]))
    }

    pub(crate) fn told(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// The entry's refresh token as the item holds it.
    pub(crate) fn refresh_token(&self, grant: &Grant, name: &str) -> String {
        self.stored()["mcpOAuth"][grant.key(name)]["refreshToken"].as_str().unwrap().to_owned()
    }

    pub(crate) fn holds_a_good_token(&self, site: &Site, grant: &Grant, name: &str) -> bool {
        let stored = self.stored();
        site.accepts(stored["mcpOAuth"][grant.key(name)]["accessToken"].as_str().unwrap())
    }
}
