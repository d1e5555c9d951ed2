//! A world in virtual time: a disk, a clock, an authorization server, a client that may be active, and lives of the agent.

mod clock;
mod keychain;
mod log;
mod server;

pub(crate) use clock::VirtualClock;
#[allow(unused_imports, reason = "only a world on a Keychain kills at its calls")]
pub(crate) use keychain::Moment;
pub(crate) use keychain::{VirtualKeychain, VirtualSecurity};
pub(crate) use log::Log;
pub(crate) use server::{Answering, Server};

use claude_store::{
    AnyStore, Document, EntryKey, FileStore, FileSystem, KeychainStore, LargeItems, NeedsAuthCache,
    StorageFolder, Store,
};
use jiff::Timestamp;
use refresh_engine::{
    Activity, Client, EntryReport, Grants, Journal, Keeper, Mode, Partners, Policy, Records, Setup,
    StoreReport,
};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use virtual_disk::VirtualDisk;

pub(crate) const HOME: &str = "/home/u";
pub(crate) const STORE: &str = "/home/u/.claude/.credentials.json";
pub(crate) const STATE: &str = "/home/u/.local/state/mcp-refreshd";
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct Virtual;

impl Partners for Virtual {
    type Files = VirtualDisk;
    type Store = AnyStore<VirtualDisk, VirtualSecurity>;
    type Endpoint = Server;
    type Clock = VirtualClock;
    type Client = Session;
    type Observer = Log;
}

/// What the client's sessions do: nothing, or they were active at some moment.
#[derive(Clone, Default)]
pub(crate) struct Session {
    pub(crate) active_at: Rc<Cell<Option<Timestamp>>>,
    /// `oauth.clientId` of every server's configuration.
    pub(crate) client_id: Rc<RefCell<Option<String>>>,
}

impl Client for Session {
    fn activity(&self) -> Activity {
        self.active_at.get().into()
    }

    fn metadata_url(&self, _server_name: &str, _server_url: &str) -> Option<String> {
        None
    }

    fn client_id(&self, _server_name: &str, _server_url: &str) -> Option<String> {
        self.client_id.borrow().clone()
    }
}

pub(crate) struct World {
    pub(crate) disk: VirtualDisk,
    /// Where the document is, if it is not in a file.
    pub(crate) keychain: Option<VirtualKeychain>,
    /// What is done with documents that are too large for a line of its tool.
    pub(crate) large: LargeItems,
    pub(crate) clock: VirtualClock,
    pub(crate) server: Rc<Server>,
    pub(crate) log: Rc<Log>,
    pub(crate) session: Session,
    pub(crate) policy: Policy,
    /// Other folders whose documents are kept, too.
    pub(crate) copies: Vec<&'static str>,
    /// Of these, one that is a store of our own.
    pub(crate) vault: Option<&'static str>,
}

/// One run of the agent's engine.
pub(crate) struct Life {
    pub(crate) keeper: Keeper<Virtual>,
    /// The keepers of the world's copies.
    #[allow(dead_code, reason = "a world on a Keychain has no copies")]
    pub(crate) copies: Vec<Keeper<Virtual>>,
    pub(crate) disk: VirtualDisk,
    /// Every task of this life; dropping it is a kill.
    local: tokio::task::LocalSet,
}

impl World {
    pub(crate) fn new() -> Self {
        let disk = VirtualDisk::new();
        disk.put_folder(STATE);
        disk.put_folder("/home/u/.claude");
        let clock = VirtualClock::new(disk.clone());
        Self {
            server: Rc::new(Server::new(disk.clone())),
            clock,
            large: LargeItems::Argument,
            keychain: crate::IN_KEYCHAIN.then(VirtualKeychain::default),
            disk,
            log: Rc::default(),
            session: Session::default(),
            policy: Policy::default(),
            copies: Vec::new(),
            vault: None,
        }
    }

    /// Writes a store with these entries (`name`, remaining life), each with a grant of its own.
    pub(crate) fn with_entries(entries: &[(&str, Duration)]) -> Self {
        let world = Self::new();
        let members: Vec<String> = entries
            .iter()
            .map(|(name, left)| format!("{:?}:{}", key(name), world.entry(name, *left)))
            .collect();
        world.put_members(&members);
        world
    }

    pub(crate) fn put_members(&self, members: &[String]) {
        let document = format!(
            r#"{{"claudeAiOauth":{{"accessToken":"sk-made-up","expiresAt":1e400}},"mcpOAuth":{{{}}},"later":[1.10,{{}}]}}"#,
            members.join(",")
        );
        self.put_text(document);
    }

    /// Replaces the document as the client does.
    pub(crate) fn put_text(&self, document: impl AsRef<[u8]>) {
        match &self.keychain {
            Some(keychain) => keychain.put(document.as_ref(), self.disk.now()),
            None => self.disk.put(STORE, document),
        }
    }

    /// Deletes the document, as `claude auth logout` does.
    pub(crate) fn delete(&self) {
        match &self.keychain {
            Some(keychain) => keychain.delete(),
            None => self.disk.remove_file(Path::new(STORE)).unwrap(),
        }
    }

    /// A new grant, as the client would have stored it.
    pub(crate) fn entry(&self, name: &str, left: Duration) -> String {
        let (access, refresh) = self.server.grant(name);
        self.entry_with(name, &access, &refresh, left)
    }

    pub(crate) fn entry_with(&self, name: &str, access: &str, refresh: &str, left: Duration) -> String {
        let expires_at = self.now().as_millisecond() + left.as_millis() as i64;
        format!(
            r#"{{"serverName":"{name}","serverUrl":"https://{name}.test/mcp","accessToken":"{access}","discoveryState":{{"authorizationServerUrl":"https://{name}.test"}},"clientId":"cl_{name}","issuer":"https://{name}.test","redirectUri":"http://localhost:1/callback","refreshToken":"{refresh}","expiresAt":{expires_at},"scope":"mcp","odd":9007199254740993}}"#
        )
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::try_from(self.disk.now()).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        match &self.keychain {
            Some(keychain) => keychain.text(),
            None => self.disk.text(STORE).unwrap(),
        }
    }

    /// The entry's member as the store holds it now.
    pub(crate) fn stored(&self, name: &str, member: &str) -> serde_json::Value {
        let document: serde_json::Value = serde_json::from_str(&self.text().replace("1e400", "0")).unwrap();
        document["mcpOAuth"][key(name)][member].clone()
    }

    /// The whole entry as it stands in this document.
    pub(crate) fn raw(&self, name: &str, text: &str) -> String {
        let document = Document::parse(text.as_bytes()).unwrap();
        document.raw_entry(&EntryKey::new(key(name))).unwrap().to_owned()
    }

    pub(crate) fn stored_refresh(&self, name: &str) -> String {
        self.stored(name, "refreshToken").as_str().unwrap_or_default().to_owned()
    }

    /// The access token's remaining life as a client would compute it; zero when expired or missing.
    pub(crate) fn left(&self, name: &str) -> Duration {
        let ends = self.stored(name, "expiresAt").as_i64().unwrap_or(0);
        Duration::from_millis(u64::try_from(ends - self.now().as_millisecond()).unwrap_or(0))
    }

    /// Starts the agent's engine as a new process on the disk.
    pub(crate) async fn live(&self) -> Life {
        self.live_as(self.disk.process(), Mode::Watch).await.expect("the state folder is in order")
    }

    /// The same on a process that may be killed while it starts: then there is no life.
    pub(crate) async fn live_as(&self, disk: VirtualDisk, mode: Mode) -> Option<Life> {
        let local = tokio::task::LocalSet::new();
        let state = Path::new(STATE);
        let (records, _) = Records::load(disk.clone(), state).ok()?;
        let (journal, mut unfinished, _) = Journal::open(disk.clone(), state).await.ok()?;
        let grants = Grants::default();
        let mut keepers = Vec::new();
        for folder in ["/home/u/.claude"].iter().chain(&self.copies) {
            let folder = StorageFolder::at(folder, Path::new(HOME));
            let store = self.store(&disk, &folder);
            let location = store.location().to_owned();
            let (ours, others) = unfinished.into_iter().partition(|open| open.intent.store == location);
            unfinished = others;
            let setup = Setup::<Virtual> {
                store,
                endpoint: Rc::clone(&self.server),
                clock: self.clock.clone(),
                client: self.session.clone(),
                observer: Rc::clone(&self.log),
                policy: self.policy.clone(),
                records: records.clone(),
                journal: journal.clone(),
                unfinished: ours,
                needs_auth: NeedsAuthCache::new(disk.clone(), folder.needs_auth_path()),
                grants: grants.clone(),
                mode,
            };
            let _guard = local.enter();
            keepers.push(Keeper::start(setup));
        }
        let mut keepers = keepers.into_iter();
        let (keeper, copies) = (keepers.next()?, keepers.collect());
        Some(Life { keeper, copies, disk, local })
    }

    fn store(&self, disk: &VirtualDisk, folder: &StorageFolder) -> AnyStore<VirtualDisk, VirtualSecurity> {
        match &self.keychain {
            Some(keychain) => AnyStore::Keychain(Box::new(KeychainStore::new(
                disk.clone(),
                keychain.tool(disk),
                folder,
                VirtualKeychain::item(),
                self.large,
            ))),
            None => {
                let own = self.vault.is_some_and(|vault| folder.path() == Path::new(vault));
                let store = if own {
                    FileStore::own(disk.clone(), folder)
                } else {
                    FileStore::new(disk.clone(), folder)
                };
                let _ = store.sweep();
                AnyStore::File(store)
            }
        }
    }
}

impl Life {
    /// Lets this much virtual time pass while the engine lives.
    pub(crate) async fn pass(&self, time: Duration) {
        self.local.run_until(tokio::time::sleep(time)).await;
    }

    /// Tells the engine that the store changed, and lets it look.
    pub(crate) async fn notice(&self) {
        self.keeper.store_changed();
        self.pass(Duration::from_millis(600)).await;
    }

    /// Runs something on this life's tasks.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.local.run_until(work).await
    }

    pub(crate) fn report(&self) -> StoreReport {
        self.keeper.report()
    }

    pub(crate) fn entry(&self, name: &str) -> EntryReport {
        self.report().entries.into_iter().find(|entry| entry.name == name).expect("the entry is reported")
    }

    /// `kill -9`: whatever was under way ends where it is, and nothing on the disk is tidied up.
    pub(crate) fn kill(self) {
        self.disk.kill();
    }
}

pub(crate) fn key(name: &str) -> String {
    format!("{name}|6f671eeac57e3e15")
}
