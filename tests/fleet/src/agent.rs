use crate::certificates::Certificates;
use crate::etcd::{PLAIN_PORT, TLS_PORT, signal_to};
use crate::{Fallible, MEMBERS};
use rustix::process::Signal;
use scripted_server::Site;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One machine's agent.
pub(crate) struct Agent {
    pub(crate) number: usize,
    program: PathBuf,
    home: PathBuf,
    process: Mutex<Option<Child>>,
}

/// What all agents of a run have in common.
pub(crate) struct Set<'s> {
    pub(crate) program: &'s Path,
    pub(crate) scene: &'s Path,
    pub(crate) certificates: &'s Certificates,
}

/// How an agent reaches etcd.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// By HTTP.
    Plain,
    /// By HTTPS, with a certificate of its own.
    Tls,
    /// It does not know the authority of etcd's certificate.
    TlsWithoutAuthority,
    /// It has no certificate of its own.
    TlsWithoutCertificate,
}

impl Agent {
    /// A home with the configuration of a member, and a key of this byte; nothing runs yet.
    pub(crate) fn new(set: &Set<'_>, number: usize, way: Way, key: u8) -> Fallible<Self> {
        let home = set.scene.join(format!("host{number}"));
        fs::create_dir(&home)?;
        let agent = Self { number, program: set.program.to_owned(), home, process: Mutex::default() };
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(agent.key_file())?;
        file.write_all(&[key; 32])?;
        let (scheme, port) = match way {
            Way::Plain => ("http", PLAIN_PORT),
            Way::Tls | Way::TlsWithoutAuthority | Way::TlsWithoutCertificate => ("https", TLS_PORT),
        };
        let endpoints = (1..=MEMBERS).map(|member| format!("{scheme}://10.9.{number}.{member}:{port}"));
        let mut config = format!(
            "[notices]\ndesktop = false\n[cluster]\nendpoints = {:?}\nkey_file = {:?}\nmember = \"host{number}\"\nlease = \"5s\"\n",
            endpoints.collect::<Vec<_>>(),
            agent.key_file()
        );
        let Certificates { authority, agent: (certificate, certificate_key), .. } = set.certificates;
        if matches!(way, Way::Tls | Way::TlsWithoutCertificate) {
            config.push_str(&format!("ca_file = {authority:?}\n"));
        }
        if matches!(way, Way::Tls | Way::TlsWithoutAuthority) {
            config
                .push_str(&format!("certificate = {certificate:?}\ncertificate_key = {certificate_key:?}\n"));
        }
        let folder = agent.home.join(".config/mcp-refreshd");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("config.toml"), config)?;
        Ok(agent)
    }

    /// The file with the cluster's key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.home.join("cluster.key")
    }

    /// Puts grants into its vault, as logins of its own would. Returns the servers by their clients.
    pub(crate) fn fill_vault(&self, site: &Site, names: &[String]) -> Fallible<BTreeMap<String, String>> {
        let vault = self.state().join("vault");
        fs::create_dir_all(&vault)?;
        let (mut entries, mut clients) = (Map::new(), BTreeMap::new());
        for name in names {
            let grant = site.grant(Duration::from_secs(7200));
            entries.insert(grant.key(name), grant.entry(name));
            clients.insert(grant.client_id.clone(), name.clone());
        }
        let files = [
            (vault.join(".credentials.json"), json!({ "mcpOAuth": entries })),
            (vault.join("ledger.json"), json!({"version": 1, "place": "file", "moves": []})),
        ];
        for (path, content) in files {
            fs::write(&path, content.to_string())?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        }
        for folder in [self.state(), vault] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        }
        Ok(clients)
    }

    fn state(&self) -> PathBuf {
        self.home.join(".local/state/mcp-refreshd")
    }

    /// The program on this machine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().env("HOME", &self.home).env("PATH", "/usr/bin:/bin");
        command
    }

    pub(crate) fn start(&self) -> Fallible<()> {
        let log = File::options().create(true).append(true).open(self.home.join("log"))?;
        let process = self.command(&["run"]).stdout(log.try_clone()?).stderr(log).spawn()?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        Ok(())
    }

    pub(crate) fn kill(&self) {
        if let Some(mut process) = self.process.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal_to(self.process.lock().unwrap_or_else(PoisonError::into_inner).as_ref(), signal);
    }

    /// Has everything on its way to etcd vanish, or arrive again.
    pub(crate) fn cut(&self, cut: bool) {
        let network = format!("10.9.{}.0/25", self.number);
        let verb = if cut { "add" } else { "delete" };
        let _ = Command::new("ip").args(["route", verb, &network, "dev", "nowhere"]).status();
    }

    /// Asks the running agent. An error if it is dead, stopped or slow.
    pub(crate) fn ask(&self, request: &Value) -> Fallible<Value> {
        let mut stream = UnixStream::connect(self.state().join("control.sock"))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut line = json!({"protocol": 1, "version": "0.1.0"});
        if let (Some(line), Some(request)) = (line.as_object_mut(), request.as_object()) {
            line.extend(request.clone());
        }
        writeln!(stream, "{line}")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// Refreshes these servers now; how many it could.
    pub(crate) fn refresh(&self, names: &[&str]) -> Fallible<usize> {
        let answer = self.ask(&json!({"request": "refresh", "with": {"names": names, "force": true}}))?;
        let done = answer.pointer("/with").and_then(Value::as_array).ok_or("no list of results")?;
        Ok(done.iter().filter(|done| done.get("how").and_then(Value::as_str) == Some("fresh")).count())
    }

    /// Why a server cannot be refreshed; `None` if it was.
    pub(crate) fn why_not(&self, name: &str) -> Fallible<Option<String>> {
        let answer = self.ask(&json!({"request": "refresh", "with": {"names": [name], "force": true}}))?;
        let done = answer.pointer("/with/0").ok_or("no result")?;
        let fresh = done.get("how").and_then(Value::as_str) == Some("fresh");
        let detail = done.get("detail").and_then(Value::as_str).unwrap_or_default();
        Ok((!fresh).then(|| detail.to_owned()))
    }

    /// The access token that it hands out.
    pub(crate) fn token(&self, name: &str) -> Fallible<String> {
        let answer = self.ask(&json!({"request": "access_token", "with": {"name": name}}))?;
        let token = answer.pointer("/with/token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| answer.to_string().into())
    }

    /// The refresh token in its copy of the cluster's grants.
    pub(crate) fn refresh_token(&self, name: &str) -> Fallible<String> {
        self.stored("cluster", name)?.ok_or_else(|| format!("no refresh token of {name}").into())
    }

    /// The refresh token in its vault, if it is there.
    pub(crate) fn in_vault(&self, name: &str) -> Fallible<Option<String>> {
        self.stored("vault", name)
    }

    fn stored(&self, folder: &str, name: &str) -> Fallible<Option<String>> {
        let document = match fs::read_to_string(self.state().join(folder).join(".credentials.json")) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            document => document?,
        };
        let document: Value = serde_json::from_str(&document)?;
        let Some(entries) = document.pointer("/mcpOAuth").and_then(Value::as_object) else { return Ok(None) };
        let mut named =
            entries.values().filter(|entry| entry.get("serverName").is_some_and(|found| found == name));
        Ok(named.find_map(|entry| entry.get("refreshToken")?.as_str().map(str::to_owned)))
    }

    /// The fingerprints of the cluster's refresh tokens, by server.
    pub(crate) fn fingerprints(&self) -> Fallible<Vec<(String, String)>> {
        let answer = self.ask(&json!({"request": "status"}))?;
        let stores = answer.pointer("/with/stores").and_then(Value::as_array).ok_or("no stores")?;
        let cluster =
            stores.iter().filter(|store| store.get("cluster").is_some_and(|cluster| !cluster.is_null()));
        let entries = cluster.filter_map(|store| store.get("entries")?.as_array()).flatten();
        let of = |entry: &Value| {
            let text = |name: &str| entry.get(name)?.as_str().map(str::to_owned);
            Some((text("name")?, text("refresh")?))
        };
        Ok(entries.filter_map(of).collect())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}
