//! The power fails at every step: along with the daemon, all unsynced data is lost.

use crate::crash::{Death, Story, reference};
use crate::disk::Kind;
use crate::points::{Point, judge};
use crate::{Fallible, Tally};
use scripted_server::{Script, Server};
use std::path::Path;
use std::process::{Command, Stdio};

/// Crashes `times` times at each step of the stories with rotation, on each file system.
pub(crate) fn run(program: &Path, times: usize, tally: &mut Tally) -> Fallible<()> {
    if let Some(why) = impossible() {
        println!("SKIPPED: {why}");
        return Ok(());
    }
    let server = Server::start(Script::default())?;
    let mut points = Vec::new();
    for story in [Story::Plain, Story::AnswerLost] {
        let trace = reference(program, &server, "reference", story)?;
        let fsyncs = trace.calls.iter().filter(|call| call.name.contains("sync")).count();
        let deaths: Vec<_> = trace
            .steps()
            .into_iter()
            .map(Death::Before)
            .chain((1..=fsyncs).map(Death::DuringFsync).filter(|_| story == Story::Plain))
            .collect();
        for disk in Kind::ALL {
            for death in deaths.iter().cycle().take(deaths.len() * times) {
                points.push(Point { story, death: death.clone(), keep_locks: false, disk: Some(disk) });
            }
        }
    }
    println!("{} power cuts", points.len());
    judge(program, &server, &points, tally);
    Ok(())
}

/// Why the power cannot be cut here.
pub(crate) fn impossible() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("a disk whose power is cut needs the right to mount (root)".to_owned());
    }
    let missing = ["mkfs.ext4", "mkfs.xfs", "xfs_io"].into_iter().find(|tool| !exists(tool))?;
    Some(format!("a disk whose power is cut needs {missing}"))
}

fn exists(tool: &str) -> bool {
    Command::new(tool).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
