//! Shows for half a minute how mcp-refreshd keeps the entries of a credential file fresh.
//!
//! `cargo run --release -p demo` starts a scripted authorization server on loopback with four MCP servers whose tokens live 60 seconds,
//! writes a credential file into a temporary folder, runs the real daemon on it, and reads the file itself, five times a second,
//! as a client might at any moment. No account is needed and nothing outside the folder is touched. Without the
//! daemon every entry would be expired before the half minute is over.

mod daemon;
mod lab;
mod picture;
mod screen;
mod track;

use clap::Parser;
use daemon::Daemon;
use lab::Lab;
use screen::Screen;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use track::Track;

/// How often the store is read. Often enough to catch any moment in which an entry could be expired.
const LOOK: Duration = Duration::from_millis(200);

/// Runs mcp-refreshd on made-up servers with 60-second tokens and shows what happens to each entry.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How long to watch, in seconds.
    #[arg(long, default_value_t = 35)]
    seconds: u64,
    /// The daemon's binary; built beside this program by default.
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// Leave the temporary folder (store, daemon's log and state) for a look at it.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut screen = Screen::of_stdout();
    match run(&arguments, &mut screen) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            screen.complain(&format!("demo: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, screen: &mut Screen) -> Result<bool, Box<dyn Error>> {
    let binary = match &arguments.daemon {
        Some(binary) => binary.clone(),
        None => daemon::binary()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut lab = Lab::open(arguments.seconds)?;
    let outcome = runtime.block_on(watch(&lab, &binary, Duration::from_secs(arguments.seconds), screen));
    if !matches!(outcome, Ok(true)) {
        let log = daemon::tail_of_log(lab.folder());
        screen.complain(&format!(
            "The daemon's log ends with:\n{}",
            if log.is_empty() { "(nothing)" } else { &log }
        ));
    }
    if arguments.keep {
        screen.line(&format!("The folder was left at {}.", lab.keep().display()));
    }
    outcome
}

/// Starts the daemon, watches the store and stops the daemon again; says whether all went well.
async fn watch(
    lab: &Lab,
    binary: &std::path::Path,
    time: Duration,
    screen: &mut Screen,
) -> Result<bool, Box<dyn Error>> {
    screen.line(&format!("{} runs on {}", binary.display(), lab.store().display()));
    // Taken over before the daemon exists, so that it never outlives the demo.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut daemon = Daemon::start(binary, lab.folder())?;
    let mut tracks: Vec<Track> =
        lab.rooms().iter().map(|room| Track::new(room.site.name(), room.manner)).collect();
    let mut look = tokio::time::interval(LOOK);
    let start = Instant::now();
    let mut told = 0;
    loop {
        tokio::select! {
            _ = look.tick() => {}
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            status = daemon.ended() => return Err(format!("the daemon ended by itself: {status}").into()),
        }
        let elapsed = start.elapsed();
        if elapsed >= time {
            break;
        }
        lab.pretend_a_session()?;
        for (room, track) in lab.rooms().iter().zip(&mut tracks) {
            let seen =
                track.look(lab.read(room), lab::now_ms(), |access_token| room.site.accepts(access_token));
            if let Some(news) = seen {
                screen.news(elapsed, track.name(), &news);
            }
        }
        for (name, news) in lab.told_since(&mut told) {
            screen.news(elapsed, &name, &news);
        }
        screen.picture(elapsed, time, &tracks);
    }
    screen.picture_is_final();
    let stopped = daemon.stop().await;
    let reuses = lab.reuses();
    for line in picture::summary(&tracks, reuses) {
        screen.line(&line);
    }
    let well = reuses == 0 && tracks.iter().all(Track::went_well);
    screen.line(if well {
        "No entry was ever read expired, and no refresh token was used twice."
    } else {
        "FAILED: an entry was read expired, or a refresh token was used twice."
    });
    stopped.map(|()| well)
}
