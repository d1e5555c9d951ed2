use crate::{Answer, Behaviour, Item, Model};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const FOLDER: &str = "scripted-keychain";

/// The Keychain of one home folder, as seen by the program `scripted-security`.
#[derive(Clone, Debug)]
pub struct Keychain {
    folder: PathBuf,
}

/// One run of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The arguments, without the program's name.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Bytes of standard input.
    pub input: usize,
}

impl Keychain {
    /// The Keychain of this home folder; empty if it does not exist yet.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn at(home: &Path) -> io::Result<Self> {
        let folder = home.join(FOLDER);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Reads or changes the Keychain under an exclusive lock.
    ///
    /// # Errors
    /// Its file cannot be read or written.
    pub fn change<R>(&self, change: impl FnOnce(&mut Model) -> R) -> io::Result<R> {
        let lock = File::create(self.folder.join("lock"))?;
        lock.lock()?;
        let path = self.folder.join("model.json");
        let mut model = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            // Every home has its own search list.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let login = self.folder.with_file_name("Library/Keychains/login.keychain-db");
                Model { searched: vec![login.display().to_string()], ..Model::default() }
            }
            Err(error) => return Err(error),
        };
        let before = model.clone();
        let result = change(&mut model);
        if model != before {
            let beside = self.folder.join("model.json.new");
            fs::write(&beside, serde_json::to_vec(&model)?)?;
            fs::rename(beside, path)?;
        }
        Ok(result)
    }

    /// Adds an item or replaces its content; sets its dates to now.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub fn put(&self, service: &str, account: &str, password: impl Into<Vec<u8>>) -> io::Result<()> {
        let (now, password) = (now(), password.into());
        self.change(|model| {
            model.items.retain(|item| (item.service.as_str(), item.account.as_str()) != (service, account));
            let (service, account) = (service.to_owned(), account.to_owned());
            model.items.push(Item { service, account, password, created: now, modified: now });
        })
    }

    /// The content of the item with this service, as text; empty if there is none.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub fn content(&self, service: &str) -> io::Result<String> {
        self.change(|model| {
            let item = model.items.iter().find(|item| item.service == service);
            item.map(|item| String::from_utf8_lossy(&item.password).into_owned()).unwrap_or_default()
        })
    }

    /// Changes its behavior.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) -> io::Result<()> {
        self.change(|model| change(&mut model.behaviour))
    }

    /// Every run so far.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn calls(&self) -> io::Result<Vec<Call>> {
        let text = match fs::read_to_string(self.folder.join("calls.jsonl")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Runs the tool like the program, and records the call.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub fn run(&self, call: &Call, input: &[u8]) -> io::Result<Answer> {
        let mut line = serde_json::to_vec(call)?;
        line.push(b'\n');
        let mut calls = OpenOptions::new().create(true).append(true).open(self.folder.join("calls.jsonl"))?;
        calls.write_all(&line)?;
        let behaviour = self.change(|model| model.behaviour.clone())?;
        if behaviour.hangs && Model::asks(&call.arguments) {
            loop {
                std::thread::park();
            }
        }
        std::thread::sleep(behaviour.delay);
        let answer = self.change(|model| model.run(&call.arguments, input, now()))?;
        std::thread::sleep(behaviour.afterwards);
        Ok(answer)
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The program's path. Builds it first, because tests of other packages cannot rely on that.
///
/// # Errors
/// The build fails.
pub fn program() -> io::Result<PathBuf> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAM.get_or_init(|| build().map_err(|error| error.to_string())).clone().map_err(io::Error::other)
}

fn build() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--message-format=json", "--bin", "scripted-security", "--manifest-path"])
        .arg(manifest)
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    };
    told.lines().find_map(executable).ok_or_else(|| io::Error::other("cargo names no program"))
}
