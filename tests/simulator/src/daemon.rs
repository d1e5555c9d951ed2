//! One life of the daemon's engine, as a process on the machine.

use crate::clock::MachineClock;
use crate::entry::login_resource;
use crate::grant::Actor;
use crate::kind::Shape;
use crate::server::{Reply, exchange};
use crate::world::{STATE, World};
use claude_store::{EntryKey, FileStore, NeedsAuthCache, StorageFolder, Store};
use refresh_engine::{
    AccessGrant, Activity, Client, Endpoint, Event, Grants, Journal, Keeper, Mode, Observer, Partners,
    Policy, Records, Setup, Subject, Wanted,
};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use token_endpoint::{
    DiscoveryError, Metadata, RawAnswer, RefreshRequest, SendError, ServerHints, UnsentKind,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot::{self, error::RecvError};
use tokio::task::{AbortHandle, LocalSet};
use url::Url;
use virtual_disk::VirtualDisk;

/// How long a stop waits for what is under way; the service manager kills it then.
const STOP: Duration = Duration::from_secs(75);

/// A dead token may be presented so often: early, three times once the access token has ended, by a healing, and after crashes that took the
/// note of it.
const OFTEN_ENOUGH: u32 = 8;

pub(crate) struct Simulated;

impl Partners for Simulated {
    type Files = VirtualDisk;
    type Store = FileStore<VirtualDisk>;
    type Endpoint = Wire;
    type Clock = MachineClock;
    type Client = Sessions;
    type Observer = Books;
}

pub(crate) struct Daemon {
    /// One for each storage folder.
    keepers: Vec<Keeper<Simulated>>,
    disk: VirtualDisk,
    task: AbortHandle,
    helpers: UnboundedSender<Ask>,
}

/// What a helper asks, and where the answer goes.
struct Ask {
    key: EntryKey,
    wanted: Wanted,
    answer: oneshot::Sender<Option<AccessGrant>>,
}

impl Daemon {
    /// Starts the daemon; `None` where its own files cannot be used now, as the service manager sees it exit.
    pub(crate) async fn start(world: &Rc<World>) -> Option<Self> {
        let disk = world.disk.borrow().process();
        disk.record_calls(false);
        world.watch.follow(&disk);
        let state = Path::new(STATE);
        let (records, _) = Records::load(disk.clone(), state).ok()?;
        let (journal, mut unfinished, _) = Journal::open(disk.clone(), state).await.ok()?;
        let local = LocalSet::new();
        let grants = Grants::default();
        let mut keepers = Vec::new();
        for path in world.folders() {
            let folder = StorageFolder::listed(path, &|_| None, Path::new("/"));
            let store = if world.own.get() {
                FileStore::own(disk.clone(), &folder)
            } else {
                FileStore::new(disk.clone(), &folder)
            };
            let _ = store.sweep();
            let location = store.location().to_owned();
            let (ours, others) = unfinished.into_iter().partition(|open| open.intent.store == location);
            unfinished = others;
            let _guard = local.enter();
            keepers.push(Keeper::start(Setup::<Simulated> {
                grants: grants.clone(),
                store,
                endpoint: Rc::new(Wire { world: Rc::clone(world) }),
                clock: MachineClock { world: Rc::clone(world) },
                client: Sessions { world: Rc::clone(world) },
                observer: Rc::new(Books { world: Rc::clone(world) }),
                policy: Policy { fresh: world.fresh.get(), ..Policy::default() },
                records: records.clone(),
                journal: journal.clone(),
                unfinished: ours,
                needs_auth: NeedsAuthCache::new(disk.clone(), folder.needs_auth_path()),
                mode: Mode::Watch,
            }));
        }
        let (helpers, asked) = unbounded_channel();
        let keeper = keepers.first().cloned()?;
        // In its own process: what it does for a helper dies with it.
        local.spawn_local(serve(keeper, asked));
        let task = tokio::task::spawn_local(local).abort_handle();
        Some(Self { keepers, disk, task, helpers })
    }

    /// Asks for an access token, as the helper does through the socket. The answer does not come if the daemon ends.
    pub(crate) fn ask(
        &self,
        key: EntryKey,
        wanted: Wanted,
    ) -> impl Future<Output = Result<Option<AccessGrant>, RecvError>> + use<> {
        let (answer, answered) = oneshot::channel();
        // One that ends does not answer.
        let _ = self.helpers.send(Ask { key, wanted, answer });
        answered
    }

    pub(crate) fn store_changed(&self) {
        self.keepers.iter().for_each(Keeper::store_changed);
    }

    /// A handle to the keeper of the first folder that outlives a borrow.
    pub(crate) fn keeper(&self) -> Keeper<Simulated> {
        self.keepers[0].clone()
    }

    /// Whether its process was not killed.
    pub(crate) fn is_alive(&self) -> bool {
        self.disk.is_alive()
    }

    /// `kill -9`.
    pub(crate) fn kill(self) {
        self.disk.kill();
        self.task.abort();
    }
}

async fn serve(keeper: Keeper<Simulated>, mut asked: UnboundedReceiver<Ask>) {
    while let Some(Ask { key, wanted, answer }) = asked.recv().await {
        let keeper = keeper.clone();
        tokio::task::spawn_local(async move {
            keeper.look().await;
            keeper.renew(&key, wanted).await;
            // The helper may have given up.
            let _ = answer.send(keeper.access_grant(&key));
        });
    }
}

/// Stops the daemon as the service manager does.
pub(crate) async fn stop(world: &World) {
    let keeper = world.daemon.borrow().as_ref().map(Daemon::keeper);
    if let Some(keeper) = keeper {
        let process = world.daemon.borrow().as_ref().map(|daemon| daemon.disk.clone());
        let ended = tokio::time::timeout(STOP, keeper.drain()).await;
        // One that was killed meanwhile ends nothing any more.
        let lives = process.is_some_and(|process| process.is_alive());
        if ended.is_err() && lives && world.disk_trouble.get() == 0 {
            world.watch.complain("an orderly stop did not end within 75 s");
        }
        world.watch.stopped();
    }
    kill(world);
}

/// Ends the daemon where it is.
pub(crate) fn kill(world: &World) {
    let daemon = world.daemon.take();
    if let Some(daemon) = daemon {
        daemon.kill();
    }
    world.watch.forget();
}

/// The token endpoints as the daemon reaches them.
pub(crate) struct Wire {
    world: Rc<World>,
}

fn number(host: Option<&str>) -> usize {
    host.and_then(|host| host.strip_prefix('s')?.split('.').next()?.parse().ok()).expect("a server's host")
}

impl Wire {
    /// I1: what was called dead is presented once more to be sure, again after a crash, and then no more.
    fn note(&self, server: usize, presented: &str, reply: &Reply) {
        let (token, times) = &mut self.world.called_dead.borrow_mut()[server];
        if !matches!(reply, Reply::Dead) {
            return;
        }
        if token != presented {
            (*token, *times) = (presented.to_owned(), 0);
        }
        *times += 1;
        if *times > OFTEN_ENOUGH {
            self.world
                .failure(format_args!("I1: s{server}: {presented} is dead and was presented {times} times"));
        }
    }
}

impl Endpoint for Wire {
    async fn discover(&self, hints: &ServerHints) -> Result<Metadata, DiscoveryError> {
        let origin = hints.authorization_server_url.clone().unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let token_endpoint = format!("{origin}/token").parse::<Url>().expect("a URL");
        let server = number(token_endpoint.host_str());
        let metadata = Metadata {
            issuer: hints.issuer.clone(),
            token_endpoint,
            auth_methods: vec!["none".to_owned()],
            resource: Some(login_resource(server)),
            source: origin,
        };
        let weather = self.world.servers[server].schedule.weather(self.world.now());
        if !self.world.online() || matches!(weather, Some(crate::fault_schedule::Weather::Unreachable)) {
            return Err(DiscoveryError::Transient { why: "no route to host".into(), retry_after: None });
        }
        Ok(metadata)
    }

    async fn send(&self, request: &RefreshRequest) -> Result<RawAnswer, SendError> {
        let world = &self.world;
        if world.watch.holds_storage_lock() {
            world.watch.complain("I3: the storage lock is held over the network");
        }
        let server = number(request.token_endpoint.host_str());
        let presented = request.refresh_token.expose();
        let shape = Shape {
            resource: request.shape.resource.then(|| request.resource.clone()),
            scope: request.shape.scope,
        };
        let reply = exchange(world, server, Actor::Daemon, presented, &shape).await;
        world.say(&format_args!("daemon: s{server} {presented}: {reply:?}"));
        self.note(server, presented, &reply);
        let with_pause = |status, pause: Option<u64>| RawAnswer {
            retry_after: pause.map(|seconds| seconds.to_string()),
            ..RawAnswer::new(status, r#"{"error":"temporarily_unavailable"}"#)
        };
        match reply {
            Reply::Fresh(pair) => {
                world.wrong_clock.borrow_mut()[server] = world.clock_error.get() != 0;
                let mut body = format!(r#"{{"access_token":"{}","token_type":"Bearer""#, pair.access);
                let mut add = |name: &str, value: String| body.push_str(&format!(r#","{name}":{value}"#));
                pair.expires_in.into_iter().for_each(|life| add("expires_in", life.to_string()));
                pair.refresh.iter().for_each(|refresh| add("refresh_token", format!("{refresh:?}")));
                pair.refresh_expires_in
                    .into_iter()
                    .for_each(|life| add("refresh_expires_in", life.to_string()));
                body.push('}');
                Ok(RawAnswer::new(200, body))
            }
            Reply::Refused(code) => Ok(RawAnswer::new(
                400,
                format!(r#"{{"error":"{code}","error_description":"{}"}}"#, "scope is required"),
            )),
            Reply::Dead => Ok(RawAnswer::new(400, r#"{"error":"invalid_grant"}"#)),
            Reply::Busy { status, retry_after } => Ok(with_pause(status, retry_after)),
            Reply::BadGateway => Ok(RawAnswer::new(502, "bad gateway")),
            Reply::Lost => Err(SendError::Lost { why: "the connection was closed".into() }),
            Reply::TimedOut => Err(SendError::TimedOut { why: "no answer within 30 s".into() }),
            Reply::Odd { status, body } => Ok(RawAnswer::new(status, body)),
            Reply::Unsent => {
                Err(SendError::Unsent { why: "no route to host".into(), kind: UnsentKind::Unreachable })
            }
        }
    }
}

/// The client's sessions as the daemon sees them.
pub(crate) struct Sessions {
    world: Rc<World>,
}

impl Client for Sessions {
    fn activity(&self) -> Activity {
        self.world.activity()
    }

    fn metadata_url(&self, _server_name: &str, _server_url: &str) -> Option<String> {
        None
    }
}

/// Counts what the engine tells.
pub(crate) struct Books {
    world: Rc<World>,
}

impl Observer for Books {
    fn event(&self, subject: Subject<'_>, event: &Event) {
        match event {
            Event::Refreshing { .. } => self.world.account.borrow_mut().transactions += 1,
            Event::Held { .. } => {}
            event => {
                self.world.say(&format_args!("daemon: {:?} {event:?}", subject.entry.map(|(_, name)| name)))
            }
        }
    }
}
