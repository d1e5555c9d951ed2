//! Five agents, three members of etcd and a token server, with everything that dies, pauses or is cut off between them. `run.sh` makes the
//! network it needs.

mod agent;
mod certificates;
mod doctor;
mod etcd;
mod faults;
mod findings;
mod load;
mod moves;
mod outage;
mod propagation;

use agent::{Agent, Set, Way};
use certificates::Certificates;
use etcd::Etcd;
use faults::Faults;
use scripted_server::{Script, Server};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Errors end the run with their text.
type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const AGENTS: usize = 5;
const MEMBERS: usize = 3;
/// Each byte of the cluster's key.
const KEY: u8 = 42;

/// What is asked for.
struct Options {
    agent: PathBuf,
    grants: usize,
    refreshes: usize,
    faults: usize,
    seed: u64,
}

const USAGE: &str = "fleet --agent FILE [--grants N] [--refreshes N] [--faults N] [--seed N]";

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("fleet: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn options() -> Fallible<Options> {
    let mut options = Options {
        agent: PathBuf::new(),
        grants: 200,
        refreshes: 10_000,
        faults: 100,
        seed: fastrand::u64(..1_000_000),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match argument.as_str() {
            "--agent" => options.agent = value.into(),
            "--grants" => options.grants = value.parse()?,
            "--refreshes" => options.refreshes = value.parse()?,
            "--faults" => options.faults = value.parse()?,
            "--seed" => options.seed = value.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Fallible<bool> {
    say(&format!("seed {}", options.seed));
    fastrand::seed(options.seed);
    let scene = tempfile::tempdir_in("/dev/shm")?;
    let certificates = Certificates::make(scene.path())?;
    let etcd: Vec<Etcd> = (1..=MEMBERS)
        .map(|number| Etcd::start(scene.path(), number, &certificates))
        .collect::<Fallible<_>>()?;
    let etcd = Arc::new(etcd);
    let server = Arc::new(Server::start(Script::default())?);
    let site = server.add("fleet", Script { lifetime: Duration::from_secs(7200), ..Script::default() });
    let names: Arc<Vec<String>> =
        Arc::new((0..options.grants).map(|number| format!("lab{number}")).collect());
    let set = Set { program: &options.agent, scene: scene.path(), certificates: &certificates };
    // The first agent and every other one after it by TLS.
    let way = |number| if number % 2 == 1 { Way::Tls } else { Way::Plain };
    let agents: Vec<Agent> =
        (1..=AGENTS).map(|number| Agent::new(&set, number, way(number), KEY)).collect::<Fallible<_>>()?;
    let clients = agents.first().ok_or("no agents")?.fill_vault(&site, &names)?;
    agents.iter().try_for_each(Agent::start)?;
    let agents = Arc::new(agents);

    let began = Instant::now();
    load::add_all(&agents, &names)?;
    say(&format!(
        "{} grants moved into the cluster and seen by all ({} s)",
        names.len(),
        began.elapsed().as_secs()
    ));

    let slowest = propagation::measure(&agents, &names)?;
    say(&format!("a new token was seen by all others within {} ms", slowest.as_millis()));

    doctor::is_well(&agents)?;
    doctor::notes_one_member(&agents, &etcd)?;
    doctor::knows_a_stranger(&set, names.len())?;
    say("doctor found nothing in order, and named what was not: a member of etcd, keys, certificates");

    let moved = moves::while_all_refresh(&agents, &names, &site)?;
    say(&format!("{moved} logins were removed and added again while all refreshed them, none lost"));
    let ends = moves::cut_off(&agents, &names, &site)?;
    say(&format!("moves cut off by kills and by the network: {ends}"));

    outage::survive(&agents, &etcd, &names, &server)?;
    say("without etcd every agent handed out the last token, presented nothing and said why");

    let began = Instant::now();
    let faults = Faults::new(Arc::clone(&agents), Arc::clone(&etcd));
    load::refresh_under_faults(&agents, &names, &server, &faults, options);
    say(&format!("under faults: {} s; {}", began.elapsed().as_secs(), faults.counted()));
    faults.heal()?;

    let found = findings::find(&agents, &names, &clients, &site, &server, &faults)?;
    say(&found.shown());
    let well = found.is_well(options) && slowest < Duration::from_secs(1);
    if !well {
        // The logs are there.
        say(&format!("look into {}", scene.keep().display()));
    }
    Ok(well)
}

fn say(text: &str) {
    // A reader that is gone is no reason to stop.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
