//! A server that kills the old access token when it rotates, and a session that is busy meanwhile.

use super::{Bench, replaced, stop};
use crate::refresher::{Choice, Refresher};
use crate::report::Report;
use crate::session::Session;
use crate::traffic::{Traffic, is_by_agent};
use crate::user::{Pair, User};
use crate::{Fallible, until};
use scripted_server::{Outcome, Script, Server};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// So long that the margin (a quarter of it) is far above the 7 min at which the agent acts regardless.
const LIFETIME: Duration = Duration::from_secs(2 * 3600);
/// The session calls its tool that often.
const EVERY: Duration = Duration::from_secs(2);

/// Everything in place: the agent has refreshed once and so knows the lifetime, a session runs, and it has been busy just now.
struct Scene {
    server: Server,
    person: Rc<User>,
    refresher: Refresher,
    session: Session,
    pair: Pair,
}

impl Scene {
    /// `left` is what the store then says the token has left.
    async fn set(bench: &Bench, left: Duration) -> Fallible<Self> {
        let server =
            Server::start(Script { old_access_dies: true, lifetime: LIFETIME, ..Script::default() })?;
        let person = bench.person(&server).await?;
        let grant = server.grant(Duration::from_secs(400));
        person.store(&grant)?;
        let refresher = bench.start(&person)?;
        if refresher.is_somebody() {
            replaced(&person, &grant.refresh_token, Duration::from_secs(20))
                .await
                .ok_or("the agent does not refresh")?;
        }
        let mut session = Session::start(&person)?;
        if !session.call(1, Duration::ZERO).await?.is_good(1) {
            return Err("the session does not reach the server".into());
        }
        let pair = person.pair().ok_or("the store has no pair")?;
        person.expire_in(left)?;
        Ok(Self { server, person, refresher, session, pair })
    }
}

pub(super) async fn quiet_moment(bench: Rc<Bench>) -> Fallible<Report> {
    // Due all the while, and still above the 7 min when the session has been quiet long enough.
    let mut scene = Scene::set(&bench, Duration::from_secs(14 * 60)).await?;
    let before = Traffic::of(&scene.server);
    let calls = 91;
    let (turn, state) = tokio::join!(scene.session.call(calls, EVERY), async {
        tokio::time::sleep(EVERY * 45).await;
        scene.refresher.state().await
    });
    let (turn, state) = (turn?, state?);
    let busy = Traffic::of(&scene.server);

    // The session stays open and says nothing more.
    let silent_since = Instant::now();
    let patience = Duration::from_secs(if scene.refresher.is_somebody() { 100 } else { 0 });
    let served = replaced(&scene.person, &scene.pair.refresh_token, patience).await;
    let waited = silent_since.elapsed();
    let next = scene.session.call(1, Duration::ZERO).await?;
    scene.session.end().await?;

    let after = Traffic::of(&scene.server);
    let mut report = Report::default();
    report.demand_eq("calls answered", turn.answered, calls);
    report.figure("in", format_args!("{:.0} s", turn.took.as_secs_f64()));
    report.demand_eq("401s", after.refused_calls, 0);
    report.demand_eq("requests by the client", after.by_client, 0);
    report.demand_eq("reuses", after.reuses_by_agent + after.reuses_by_client, 0);
    report.demand_eq("by the agent while the session was busy", busy.by_agent - before.by_agent, 0);
    if let Some(state) = state {
        report.demand_eq("state meanwhile", state.as_str(), "due");
    }
    report.demand("once the session is quiet, the agent refreshes", served.is_some());
    report.demand("it does so a minute after the last activity", (58..75).contains(&waited.as_secs()));
    report.figure("it refreshes after a silence of", format_args!("{:.0} s", waited.as_secs_f64()));
    report.demand("the session goes on after that", next.is_good(1));
    stop(scene.refresher, &mut report).await;
    Ok(report)
}

///
/// When it may wait no longer there is a window of milliseconds, and a call can fall into it: that is what the quiet moment is for,
/// and no fault of the agent. Such a run proves nothing and is made again.
pub(super) async fn at_seven_minutes_it_acts(bench: Rc<Bench>) -> Fallible<Report> {
    for _ in 0..2 {
        let (report, met) = seven_minutes_once(&bench).await?;
        if !met {
            return Ok(report);
        }
        println!("   a call fell into the window between rotation and visible pair; once more");
    }
    Ok(seven_minutes_once(&bench).await?.0)
}

/// The scenario once, and whether a call met the window.
async fn seven_minutes_once(bench: &Rc<Bench>) -> Fallible<(Report, bool)> {
    let mut scene = Scene::set(bench, Duration::from_secs(7 * 60 + 15)).await?;
    let expires = SystemTime::now() + Duration::from_secs(7 * 60 + 15);
    let earlier = scene.server.log().len();
    let fsync = fsync_here(scene.person.home())?;
    let swap = Swap::watch(scene.person.credentials());
    let calls = 31;
    let turn = scene.session.call(calls, EVERY).await?;
    scene.session.end().await?;
    // The naive stand-in may still be about to write.
    until(Duration::from_secs(5), || swap.seen().is_some() || !scene.refresher.is_somebody()).await;

    let log = scene.server.log();
    let rotations =
        log.iter().skip(earlier).filter(|entry| is_by_agent(entry) && entry.outcome == Outcome::Fresh);
    let rotations: Vec<u64> = rotations.filter_map(|entry| entry.decided_us).collect();
    let traffic = Traffic::of(&scene.server);
    let mut report = Report::default();
    report.demand_eq("calls answered", turn.answered, calls);
    report.demand_eq("rotations by the agent", rotations.len(), 1);
    report.demand_eq("401s", traffic.refused_calls, 0);
    report.demand_eq("requests by the client", traffic.by_client, 0);
    report.demand_eq("reuses", traffic.reuses_by_agent + traffic.reuses_by_client, 0);
    let mut short = false;
    if let (Some(rotated), Some(visible)) = (rotations.first(), swap.seen()) {
        let rotated = SystemTime::UNIX_EPOCH + Duration::from_micros(*rotated);
        let left = expires.duration_since(rotated)?.as_secs_f64();
        report.demand(
            "it acts with 7 min left, not earlier and not much later",
            (410.0..=421.0).contains(&left),
        );
        report.figure("acted with", format_args!("{left:.1} s left"));
        let window = visible.duration_since(rotated).unwrap_or_default();
        short = window < Duration::from_millis(500);
        report.demand("the window is a matter of milliseconds", short);
        report.figure("rotation to visible pair", format_args!("{:.1} ms", window.as_secs_f64() * 1e3));
        report.figure("an fsync here takes", format_args!("{:.1} ms", fsync.as_secs_f64() * 1e3));
    }
    stop(scene.refresher, &mut report).await;
    let met = matches!(bench.refresher, Choice::Agent(_)) && short && traffic.refused_calls == 1;
    Ok((report, met))
}

/// Notes to a fraction of a millisecond when a file is replaced by another.
struct Swap {
    /// Microseconds since the epoch; 0 while it has not happened.
    seen: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Swap {
    fn watch(path: std::path::PathBuf) -> Self {
        let swap = Self { seen: Arc::default(), over: Arc::default() };
        let (seen, over) = (Arc::clone(&swap.seen), Arc::clone(&swap.over));
        let inode = move || fs::metadata(&path).map(|metadata| metadata.ino()).ok();
        let before = inode();
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) && seen.load(Ordering::Relaxed) == 0 {
                if inode().is_some_and(|now| Some(now) != before) {
                    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                    seen.store(u64::try_from(since.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        swap
    }

    fn seen(&self) -> Option<SystemTime> {
        let seen = self.seen.load(Ordering::Relaxed);
        (seen > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_micros(seen))
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// What one fsync of a small file costs in this folder: the middle one of nine.
fn fsync_here(folder: &Path) -> Fallible<Duration> {
    let path = folder.join("fsync");
    let mut took = Vec::new();
    for _ in 0..9 {
        let mut file = File::create(&path)?;
        file.write_all(&[b'x'; 2000])?;
        let began = Instant::now();
        file.sync_all()?;
        took.push(began.elapsed());
    }
    fs::remove_file(path)?;
    took.sort();
    Ok(took.get(took.len() / 2).copied().unwrap_or_default())
}
