//! Full and read-only disks: a small file system in the daemon's own mount namespace.

use crate::{Fallible, Tally};
use harness::{Daemon, Home};
use scripted_server::{Script, Server, Site, TokenState};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// Mounts a small file system over the storage folder, copies its content, applies the given change, and becomes the daemon.
const SCRIPT: &str = r#"set -e
mount --make-rprivate /
cp -p "$1/.credentials.json" "$HOME/copy"
mount -t tmpfs -o size=64k,mode=700 none "$1"
cp -p "$HOME/copy" "$1/.credentials.json"
rm "$HOME/copy"
eval "$2"
exec "$3" run"#;
const FILL: &str = r#"dd if=/dev/zero of="$1/filler" bs=4k count=64 2>/dev/null || :"#;
const READ_ONLY: &str = r#"mount -o remount,ro "$1""#;

pub(crate) fn run(program: &Path, tally: &mut Tally) -> Fallible<()> {
    let may = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        println!("SKIPPED: full and read-only disks need the right to mount (root)");
        return Ok(());
    }
    let server = Server::start(Script::default())?;
    full(program, &server, tally)?;
    read_only(program, &server, tally)
}

/// The storage folder as seen by the daemon.
fn seen_by(daemon: &Daemon, home: &Home) -> PathBuf {
    let claude = home.claude();
    let inside = claude.strip_prefix("/").unwrap_or(&claude);
    Path::new("/proc").join(daemon.pid().to_string()).join("root").join(inside)
}

fn start(program: &Path, site: &Site, what: &str) -> Fallible<(Home, Daemon, String)> {
    let grant = site.grant(Duration::ZERO);
    let document = scripted_server::credentials_json([("lab", &grant)]);
    let home = Home::with(program, &document)?;
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", SCRIPT, "sh"]).arg(home.claude()).arg(what).arg(program);
    let daemon = home.daemon_by(command)?;
    Ok((home, daemon, grant.refresh_token))
}

/// Requirements while nothing can be written.
fn nothing_was_sent(home: &Home, daemon: &mut Daemon, site: &Site, cause: &str) -> Vec<String> {
    let mut unmet = Vec::new();
    let told = daemon.wait(PATIENCE, || home.log().contains("not refreshed"));
    let log = home.log();
    let line = log.lines().find(|line| line.contains("not refreshed")).unwrap_or_default();
    for word in [cause, "/.claude"] {
        if !told || !line.contains(word) {
            unmet.push(format!("no line names \"{word}\"; the log:\n{log}"));
        }
    }
    if site.count(|entry| entry.path.ends_with("/token")) > 0 {
        unmet.push("a request was made whose answer could not have been saved".to_owned());
    }
    unmet
}

fn full(program: &Path, server: &Server, tally: &mut Tally) -> Fallible<()> {
    let site = server.add("full", Script::default());
    let (home, mut daemon, refresh_token) = start(program, &site, FILL)?;
    let mut unmet = nothing_was_sent(&home, &mut daemon, &site, "the disk or the user's quota is full");
    let folder = seen_by(&daemon, &home);
    if fs::read_to_string(folder.join(".credentials.json"))? != home.stored()? {
        unmet.push("the document was changed".to_owned());
    }
    // The user frees space and asks for a refresh.
    fs::remove_file(folder.join("filler"))?;
    home.command(&["refresh", "lab"]).output()?;
    let stored = fs::read_to_string(folder.join(".credentials.json"))?;
    if stored.contains(&refresh_token) || site.refreshes() != 1 {
        unmet.push(format!("it did not go on when there was room again; the log:\n{}", home.log()));
    }
    let left: Vec<_> = fs::read_dir(&folder)?.flatten().map(|entry| entry.file_name()).collect();
    if left != [".credentials.json"] {
        unmet.push(format!("left behind: {left:?}"));
    }
    if !daemon.ends_well(PATIENCE) {
        unmet.push("it did not end well".to_owned());
    }
    tally.note("a full disk is found out before the request, and with room again it goes on", &unmet);
    Ok(())
}

fn read_only(program: &Path, server: &Server, tally: &mut Tally) -> Fallible<()> {
    let site = server.add("read-only", Script::default());
    let (home, mut daemon, refresh_token) = start(program, &site, READ_ONLY)?;
    let mut unmet = nothing_was_sent(&home, &mut daemon, &site, "ead-only file system");
    if site.state_of(&refresh_token) != TokenState::Current {
        unmet.push("the grant was touched".to_owned());
    }
    if !daemon.ends_well(PATIENCE) {
        unmet.push("it did not end well".to_owned());
    }
    tally.note("a read-only file system is found out before the request", &unmet);
    Ok(())
}
