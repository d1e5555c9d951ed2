//! Adverse conditions: a slow disk, a file system that comes and goes, a limit of file watches, names that do not resolve.

use crate::apart::Apart;
use crate::holds::holds;
use crate::outcomes::outcomes;
use crate::trace::{SHOWN, Trace};
use crate::{Fallible, Tally};
use harness::{Daemon, Home};
use scripted_server::{Answer, Grant, Script, Server};
use serde_json::Value;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The name of this part in its own process.
pub(crate) const HERE: &str = "surroundings-here";
const PATIENCE: Duration = Duration::from_secs(60);
/// Time limit for `status` meanwhile.
const ANSWERED: Duration = Duration::from_secs(3);
/// The slow disk's delay for each fsync.
const SLOW: Duration = Duration::from_secs(5);
/// This many servers have names that do not resolve; lookups have four threads.
const NAMELESS: usize = 8;

/// Starts it in another process with its own network.
pub(crate) fn begin() -> Fallible<Apart> {
    let what = "slow disks, file systems that come and go, no file watches, hanging names";
    Apart::begin(what, HERE, 1, &["--mount", "--net"], "ip link set lo up")
}

type Unmet = Fallible<Vec<String>>;

pub(crate) fn run(program: &Path, tally: &mut Tally) -> Fallible<()> {
    let server = Server::start(Script::default())?;
    // While this is bound, name queries arrive here and get no answer.
    let _silent = UdpSocket::bind("127.0.0.1:53")?;
    let faults: [(&str, &(dyn Fn() -> Unmet + Sync)); 5] = [
        ("an fsync of 5 s holds nobody up", &|| slow_disk(program, &server)),
        ("a file system that goes in the middle of a refresh costs no grant", &|| {
            unmounted(program, &server)
        }),
        ("without file watches the store is looked at", &|| {
            unwatched(program, &server, "max_inotify_watches")
        }),
        ("without watchers the store is looked at", &|| unwatched(program, &server, "max_inotify_instances")),
        ("names that nobody resolves hold nobody else up", &|| nameless(program, &server)),
    ];
    let found: Vec<Unmet> = std::thread::scope(|scope| {
        let running: Vec<_> = faults.iter().map(|(_, fault)| scope.spawn(fault)).collect();
        running.into_iter().map(|fault| fault.join().unwrap_or_else(|_| Err("a panic".into()))).collect()
    });
    for ((what, _), unmet) in faults.iter().zip(found) {
        tally.note(what, &unmet.unwrap_or_else(|error| vec![error.to_string()]));
    }
    Ok(())
}

/// Requirements that are not met.
#[derive(Default)]
struct Demands(Vec<String>);

impl Demands {
    fn demand(&mut self, what: &str, holds: bool) {
        if !holds {
            self.0.push(format!("not so: {what}"));
        }
    }

    /// Requires a timely response to `status`.
    fn answers(&mut self, home: &Home, when: &str) {
        let began = Instant::now();
        let told = outcomes(home);
        self.demand(
            &format!("the status is told {when} ({:?})", began.elapsed()),
            !told.is_empty() && began.elapsed() < ANSWERED,
        );
    }

    /// Adds the log if any requirement is not met.
    fn end(mut self, home: &Home) -> Unmet {
        if !self.0.is_empty() {
            self.0.push(format!("the log:\n{}", home.log()));
        }
        Ok(self.0)
    }
}

fn home_with(program: &Path, grants: &[(&str, &Grant)]) -> Fallible<Home> {
    Home::with(program, &scripted_server::credentials_json(grants.iter().copied()))
}

fn slow_disk(program: &Path, server: &Server) -> Unmet {
    let site = server.add("slow-disk", Script::default());
    let grant = site.grant(Duration::ZERO);
    let home = home_with(program, &[("lab", &grant)])?;
    let mut daemon =
        home.traced(SHOWN, &["-e", &format!("inject=fsync,fdatasync:delay_enter={}", SLOW.as_micros())])?;
    let mut demands = Demands::default();
    let syncing = || Trace::read(&home.trace()).calls.iter().any(|call| call.name.contains("sync"));
    demands.demand("something is synced", daemon.wait(PATIENCE, syncing));
    demands.answers(&home, "while the first fsync is under way");
    demands.demand("the request is sent", daemon.wait(PATIENCE, || site.refreshes() == 1));
    demands.answers(&home, "while the answer is made durable");
    demands.demand("it is refreshed", daemon.wait(PATIENCE, || home.log().contains("refreshed, valid for")));
    demands.demand("the pair is in the store", !home.stored()?.contains(&grant.refresh_token));
    let held = holds(&Trace::read(&home.trace()));
    let longest =
        held.iter().map(|hold| Duration::from_micros(hold.to_us - hold.from_us)).max().unwrap_or_default();
    demands.demand("the storage lock was held once", held.len() == 1);
    demands.demand(
        &format!("it was held for less than a second ({longest:?})"),
        longest < Duration::from_secs(1),
    );
    demands.demand("it ends well", daemon.ends_well(PATIENCE));
    demands.end(&home)
}

/// Mounts a small file system over the storage folder, with the document in it, and becomes the daemon.
const MOUNTED: &str = r#"set -e
mount --make-rprivate /
mv "$1/.credentials.json" "$HOME/copy"
mount -t tmpfs -o size=1m,mode=700 none "$1"
cp -p "$HOME/copy" "$1/.credentials.json"
exec "$2" run"#;

fn unmounted(program: &Path, server: &Server) -> Unmet {
    let site = server.add("unmounted", Script::default());
    let grant = site.grant(Duration::ZERO);
    site.answer_next(Answer::default().after(Duration::from_secs(2)));
    let home = home_with(program, &[("lab", &grant)])?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", MOUNTED, "sh"]).arg(home.claude()).arg(program);
    let mut daemon = home.daemon_by(command)?;
    let mut demands = Demands::default();
    demands.demand("the request is sent", daemon.wait(PATIENCE, || site.refreshes() == 1));
    // Unmounted while the response is in flight.
    in_its_place(&daemon, r#"umount --lazy "$1""#, &home)?;
    let kept = || home.journal().contains("\"answer\"");
    demands.demand("the answer is in the journal", daemon.wait(PATIENCE, kept));
    demands.demand("it is told", daemon.wait(PATIENCE, || home.log().contains("could not be saved")));
    demands.answers(&home, "without the file system");
    in_its_place(&daemon, r#"mount -t tmpfs none "$1" && cp -p "$HOME/copy" "$1/.credentials.json""#, &home)?;
    let stored = seen_by(&daemon, &home.credentials());
    let saved = || fs::read_to_string(&stored).is_ok_and(|stored| !stored.contains(&grant.refresh_token));
    demands.demand("when it is there again the pair is written to it", daemon.wait(PATIENCE, saved));
    demands.demand("the token was presented once", site.refreshes() == 1 && site.families_revoked() == 0);
    demands.demand("nothing was written below it", fs::read_dir(home.claude())?.next().is_none());
    // And changes there are noticed.
    let second = server.add("unmounted-second", Script::default());
    let document = scripted_server::credentials_json([("two", &second.grant(Duration::ZERO))]);
    fs::write(home.path().join("copy"), document)?;
    in_its_place(&daemon, r#"mount -t tmpfs none "$1" && cp -p "$HOME/copy" "$1/.credentials.json""#, &home)?;
    demands
        .demand("one that is mounted over it is noticed", daemon.wait(PATIENCE, || second.refreshes() == 1));
    demands.demand("it ends well", daemon.ends_well(PATIENCE));
    demands.end(&home)
}

/// Runs a script in the daemon's namespaces.
fn in_its_place(daemon: &Daemon, script: &str, home: &Home) -> Fallible<()> {
    let mut command = Command::new("nsenter");
    command.args(["--mount", "--target", &daemon.pid().to_string(), "sh", "-c", script, "sh"]);
    let status = command.arg(home.claude()).env("HOME", home.path()).stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("`{script}`: {status}").into()) }
}

/// A path as seen by the daemon.
fn seen_by(daemon: &Daemon, path: &Path) -> PathBuf {
    let inside = path.strip_prefix("/").unwrap_or(path);
    Path::new("/proc").join(daemon.pid().to_string()).join("root").join(inside)
}

fn unwatched(program: &Path, server: &Server, limit: &str) -> Unmet {
    let (first, second) =
        (server.add(limit, Script::default()), server.add(&format!("{limit}-2"), Script::default()));
    let home = home_with(program, &[("lab", &first.grant(Duration::ZERO))])?;
    let script = format!("echo 0 >/proc/sys/user/{limit} && exec \"$1\" run");
    let mut command = Command::new("unshare");
    // The limit applies to the user namespace.
    command.args(["--user", "--map-root-user", "sh", "-c", &script, "sh"]).arg(program);
    let mut daemon = home.daemon_by(command)?;
    let mut demands = Demands::default();
    demands.demand("it is refreshed", daemon.wait(PATIENCE, || home.log().contains("refreshed, valid for")));
    let log = home.log();
    for words in ["limit of file watches is reached", "sysctl fs.inotify", "checking the store every 30 s"] {
        demands.demand(&format!("the log says \"{words}\""), log.contains(words));
    }
    demands.answers(&home, "without a watch");
    let grants = [("two", &second.grant(Duration::ZERO))];
    fs::write(home.credentials(), scripted_server::credentials_json(grants))?;
    demands.demand("a new login is found all the same", daemon.wait(PATIENCE, || second.refreshes() == 1));
    demands.demand("it is said once", home.log().matches("limit of file watches").count() == 1);
    demands.demand("it ends well", daemon.ends_well(PATIENCE));
    demands.end(&home)
}

/// Uses a name server that never answers.
const NAMES: &str = r#"set -e
mount --make-rprivate /
echo "nameserver 127.0.0.1" >"$HOME/resolv.conf"
echo "hosts: files dns" >"$HOME/nsswitch.conf"
mount --bind "$HOME/resolv.conf" /etc/resolv.conf
[ ! -e /etc/nsswitch.conf ] || mount --bind "$HOME/nsswitch.conf" /etc/nsswitch.conf
exec "$1" run"#;

fn nameless(program: &Path, server: &Server) -> Unmet {
    let reachable = server.add("reachable", Script::default());
    let names: Vec<_> = (0..NAMELESS).map(|number| format!("nameless-{number}")).collect();
    let sites: Vec<_> = names.iter().map(|name| server.add(name, Script::default())).collect();
    let grants: Vec<_> = sites.iter().map(|site| site.grant(Duration::ZERO)).collect();
    let with_names = |name: &str, grant: &Grant| {
        let url = format!("http://{}", server.address());
        format!(
            "{}:{}",
            Value::from(grant.key(name)),
            grant.entry_json(name).replace(&url, &format!("https://{name}.test"))
        )
    };
    let good = reachable.grant(Duration::ZERO);
    let mut entries: Vec<_> =
        names.iter().zip(&grants).map(|(name, grant)| with_names(name, grant)).collect();
    entries.push(format!("{}:{}", Value::from(good.key("lab")), good.entry_json("lab")));
    let home = Home::with(program, &format!("{{\"mcpOAuth\":{{{}}}}}", entries.join(",")))?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", NAMES, "sh"]).arg(program);
    let mut daemon = home.daemon_by(command)?;
    let mut demands = Demands::default();
    let began = Instant::now();
    demands.demand("the reachable one is refreshed", daemon.wait(PATIENCE, || reachable.refreshes() == 1));
    demands.demand("and soon", began.elapsed() < Duration::from_secs(10));
    let (pid, mut most) = (daemon.pid(), 0);
    let told = daemon.wait(PATIENCE, || {
        most = most.max(threads(pid));
        outcomes(&home).iter().filter(|(_, outcome)| outcome == "unsent").count() == NAMELESS
    });
    demands.demand("of the others it is said that nothing was sent", told);
    demands.answers(&home, "while names are looked up");
    // The main thread, the watcher's, four for names, and those that wait for the disk.
    demands.demand(&format!("there are few threads ({most})"), (2..=8).contains(&most));
    let began = Instant::now();
    demands.demand("it ends well", daemon.ends_well(PATIENCE));
    demands.demand(&format!("and soon ({:?})", began.elapsed()), began.elapsed() < Duration::from_secs(15));
    demands.demand("nobody lost a grant", server.families_revoked() == 0);
    demands.end(&home)
}

/// A process's number of threads.
fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}
