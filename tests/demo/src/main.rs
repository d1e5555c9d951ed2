//! Five sessions of Claude Code start at once on an expired token: what becomes of the login without mcp-refreshd, and with it.
//!
//! `cargo run --release -p demo` starts a scripted authorization server on loopback for each side, writes the same login into two temporary
//! home folders, runs the real agent in one of them, and starts five scripted sessions in both. They do what Claude Code was measured to do.
//! No account is needed, and nothing outside these folders is touched.

mod program;
mod screen;
mod session;
mod story;
mod svg;
mod world;

use clap::Parser;
use harness::Fallible;
use screen::Screen;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;
use story::{Row, SESSIONS, Side, Story};
use world::{RUSH, World};

/// How often is looked.
const LOOK: Duration = Duration::from_millis(100);
/// The last session has ended by then; what lasts longer has gone wrong.
const WHOLE: Duration = Duration::from_secs(60);

/// Shows what five sessions at once make of an expired login, without mcp-refreshd and with it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Also record it into an SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The agent's binary [default: beside this program; under cargo it is built]
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
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

fn run(arguments: &Arguments, screen: &mut Screen) -> Fallible<bool> {
    let program = match &arguments.agent {
        Some(program) => program.clone(),
        None => program::beside()?,
    };
    let mut worlds = [World::new(Side::Without, &program)?, World::new(Side::With, &program)?];
    let story = Story::begin();
    if let Some(with) = worlds.last_mut() {
        with.start_agent()?;
    }
    watch(&worlds, &story, screen, || story.elapsed() >= RUSH)?;
    thread::scope(|scope| {
        let sessions: Vec<_> = worlds.iter().flat_map(|world| world.rush(scope, &story)).collect();
        watch(&worlds, &story, screen, || sessions.iter().all(|session| session.is_finished()))
    })?;
    let kept = worlds.each_ref().map(|world| world.verdict(&story));
    screen.show(&story.changes(), story.elapsed());
    let stopped = worlds.iter_mut().all(World::stop);
    let connected = |side| {
        let changes = story.changes();
        (1..=SESSIONS).all(|number| {
            screen::latest(&changes, side, Row::Session(number)).is_some_and(|last| last.text == "connected")
        })
    };
    let well = kept == [false, true] && connected(Side::With) && stopped;
    if let Some(path) = &arguments.svg {
        std::fs::write(path, svg::svg(&story.changes()))?;
    }
    if !well {
        screen.complain("FAILED: this is not what was to be shown. The agent's log:");
        screen.complain(&worlds.last().map(World::log).unwrap_or_default());
    }
    if well {
        screen.line("With the agent no session had to refresh anything, and the login was kept.");
    }
    Ok(well)
}

/// Looks again and again until it is over, and once more then.
fn watch(worlds: &[World], story: &Story, screen: &mut Screen, over: impl Fn() -> bool) -> Fallible<()> {
    loop {
        let last = over();
        worlds.iter().try_for_each(|world| world.look(story))?;
        screen.show(&story.changes(), story.elapsed());
        if last {
            return Ok(());
        }
        if story.elapsed() > WHOLE {
            return Err("it takes too long".into());
        }
        thread::sleep(LOOK);
    }
}
