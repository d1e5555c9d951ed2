//! A soak: clients of several versions start at random moments on tokens that have little left, some are killed, and so is the daemon.
//!
//! Everything that happens is drawn before it begins (`plan`), so that the run with the agent and the run without it live through the
//! same. The scripted server's log is the judge (`verdict`): its four servers give no grace, whoever presents a refresh token twice
//! loses the grant. Then the person logs in again, and it is counted.

mod findings;
mod logins;
mod plan;
mod seeded_rng;
mod service;
mod sighting;
mod store;
mod story;
mod table;
mod terminal;
mod verdict;

use crate::refresher::Choice;
use crate::report::Report;
use crate::user::{Machine, User};
use crate::{Fallible, resources};
use findings::Findings;
use plan::{Plan, SERVERS, TERMINALS};
use scripted_server::{Entry, Script, Server, Site};
use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinSet;

/// A client that may be started: its version, and where it is.
pub(crate) type Client = (String, PathBuf);

/// What a soak is made of.
pub(crate) struct Soak {
    pub(crate) length: Duration,
    pub(crate) seed: u64,
    pub(crate) clients: Vec<Client>,
}

/// What everybody in it shares.
struct World {
    person: Rc<User>,
    /// Each has an origin of its own: old clients look for the authorization server there and nowhere else.
    servers: Vec<Server>,
    clients: Vec<Client>,
    plan: Plan,
    began: Instant,
    length: Duration,
    /// Terminals that still work.
    busy: Cell<usize>,
    /// Whether the person has seen what became of the last grant.
    settled: Cell<bool>,
}

impl World {
    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// All requests to all servers in the order of arrival, each under its server's name.
    fn log(&self) -> Vec<Entry> {
        let mut log = Vec::new();
        for (name, server) in SERVERS.iter().zip(&self.servers) {
            log.extend(server.log().into_iter().map(|entry| Entry { site: (*name).to_owned(), ..entry }));
        }
        log.sort_by_key(|entry| entry.received_us);
        log
    }

    /// Whether nothing more is begun.
    fn is_over(&self) -> bool {
        self.elapsed() >= self.length
    }
}

fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

impl Soak {
    /// Runs to the end and prints the findings. The report says what did not hold.
    pub(crate) async fn run(self, machine: &Machine, choice: &Choice) -> Fallible<Report> {
        let (world, person) = self.prepare(machine).await?;
        println!(
            "{} servers without grace, {TERMINALS} terminals, {} s, seed {}, plan {}, {}",
            SERVERS.len(),
            self.length.as_secs(),
            self.seed,
            world.plan.fingerprint(),
            choice.describe()
        );
        let before = resources::cpu_of_children();
        let mut terminals = JoinSet::new();
        for number in 0..TERMINALS {
            let world = Rc::clone(&world);
            terminals.spawn_local(async move {
                let visits = terminal::work(&world, number).await.map_err(|error| error.to_string());
                world.busy.set(world.busy.get() - 1);
                visits
            });
        }
        let clients = async {
            let mut visits = Vec::new();
            while let Some(done) = terminals.join_next().await {
                visits.extend(done??);
            }
            Fallible::Ok(visits)
        };
        let logins = async {
            let logins = person.live(&world).await;
            world.settled.set(true);
            logins
        };
        let service = service::run(&world, choice, || !world.settled.get());
        let (visits, logins, service) = tokio::try_join!(clients, logins, service)?;

        let findings = Findings {
            clients: &self.clients,
            visits: &visits,
            logins: &logins,
            service: &service,
            kills_drawn: world.plan.daemon_kills.len(),
            log: &world.log(),
            revoked: world.servers.iter().map(|server| server.families_revoked()).sum(),
            took: world.elapsed(),
            cpu: resources::cpu_of_children().saturating_sub(before),
        };
        print!("{findings}");
        if let Some(why) = findings.proves_nothing() {
            return Err(format!("the soak proves nothing: {why}").into());
        }
        let report = findings.report(matches!(choice, Choice::Agent(_)));
        if matches!(choice, Choice::Agent(_)) {
            // What nobody could prevent is worth a look, too.
            print!("{}", findings.story());
        }
        if matches!(choice, Choice::Agent(_)) && !report.unmet().is_empty() {
            print!("{}", fs::read_to_string(world.person.log("agent.log"))?);
        }
        Ok(report)
    }

    /// The person has added the servers and logged in everywhere; nothing runs yet.
    async fn prepare(&self, machine: &Machine) -> Fallible<(Rc<World>, logins::User)> {
        let plan = Plan::draw(self.seed, self.length, self.clients.len());
        let mut servers = Vec::new();
        for answers in &plan.answers {
            servers.push(Server::start(Script {
                next: answers.iter().cloned().collect(),
                ..Script::default()
            })?);
        }
        let sites = servers.iter().map(|server| &**server);
        let named: Vec<(&str, &Site)> = SERVERS.iter().copied().zip(sites).collect();
        let world = World {
            person: Rc::new(User::with_servers(machine, &named).await?),
            servers,
            clients: self.clients.clone(),
            plan,
            began: Instant::now(),
            length: self.length,
            busy: Cell::new(TERMINALS),
            settled: Cell::new(false),
        };
        let person = logins::User::begin(&world).await?;
        Ok((Rc::new(world), person))
    }
}
