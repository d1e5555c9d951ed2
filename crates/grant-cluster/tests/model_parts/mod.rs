mod fake_etcd;
mod fake_server;
mod faults;

pub(crate) use fake_etcd::FakeEtcd;
pub(crate) use fake_server::FakeServer;
pub(crate) use faults::Faults;

use claude_store::{EntryKey, RawEntry};
use fake_etcd::World;
use grant_cluster::{Clock, ClusterKey, Member, MemberOptions, OwedAnswers};
use jiff::{SignedDuration, Timestamp};
use oauth_secret::{RefreshToken, TokenDigest};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, sleep};

const MEMBERS: usize = 5;
const LEASE: Duration = Duration::from_secs(5);

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) grants: usize,
    pub(crate) seconds: u64,
    pub(crate) faults: u32,
    /// The share of answers that the network loses.
    pub(crate) lost_answers: f64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { grants: 12, seconds: 40, faults: 14, lost_answers: 0.002 }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// To try it again.
    #[allow(dead_code, reason = "shown when a check fails")]
    seed: u64,
    pub(crate) refreshes: usize,
    pub(crate) faults: u32,
    /// Grants whose newest pair nobody received.
    pub(crate) lost: usize,
    presented_twice: usize,
    lost_without_cause: Vec<String>,
    disagreeing: Vec<String>,
    never_seen: usize,
    slowest: Duration,
}

impl Outcome {
    pub(crate) fn check(&self) {
        assert_eq!(self.presented_twice, 0, "{self:?}");
        assert!(self.lost_without_cause.is_empty(), "{self:?}");
        assert!(self.disagreeing.is_empty(), "{self:?}");
        assert_eq!(self.never_seen, 0, "{self:?}");
        if self.faults == 0 {
            assert!(self.slowest < Duration::from_secs(1), "{self:?}");
        }
    }
}

#[derive(Clone)]
pub(crate) struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn wall(&self) -> Timestamp {
        let base: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        base + SignedDuration::try_from(self.boot()).unwrap()
    }

    fn boot(&self) -> Duration {
        self.0.elapsed()
    }
}

type TheMember = Member<FakeEtcd, VirtualClock>;

struct Running {
    member: TheMember,
    task: JoinHandle<()>,
}

pub(crate) struct Fleet {
    world: Rc<World>,
    server: Rc<FakeServer>,
    clock: VirtualClock,
    folder: tempfile::TempDir,
    faults: Vec<Rc<Faults>>,
    running: RefCell<Vec<Running>>,
    plan: Plan,
}

fn key(number: usize) -> EntryKey {
    EntryKey::new(format!("lab{number}|00"))
}

impl Fleet {
    pub(crate) async fn run(seed: u64, plan: Plan) -> Outcome {
        fastrand::seed(seed);
        let fleet = Rc::new(Self {
            world: World::new(),
            server: Rc::new(FakeServer::new(plan.lost_answers)),
            clock: VirtualClock(Instant::now()),
            folder: tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap(),
            faults: (0..MEMBERS).map(|_| Rc::default()).collect(),
            running: RefCell::default(),
            plan,
        });
        for number in 0..MEMBERS {
            let running = fleet.start(number);
            fleet.running.borrow_mut().push(running);
        }
        let first = fleet.running.borrow()[0].member.clone();
        first.followed().await;
        for number in 0..plan.grants {
            let token = fleet.server.login(number);
            let ends = (fleet.clock.wall() + SignedDuration::from_hours(2)).as_millisecond();
            let entry = format!(
                r#"{{"serverName":"lab{number}","accessToken":"at","refreshToken":"{token}","expiresAt":{ends}}}"#
            );
            first.put(&key(number), &RawEntry::new(entry), false).await.unwrap();
        }
        let until = Instant::now() + Duration::from_secs(plan.seconds);
        for number in 0..plan.faults {
            let left = until.saturating_duration_since(Instant::now()) / (plan.faults - number).max(1);
            sleep(left).await;
            fleet.one_fault();
        }
        tokio::time::sleep_until(until).await;
        fleet.faults.iter().for_each(|faults| faults.heal());
        fleet.server.stop();
        // Leases end, answers are delivered, everybody looks again.
        sleep(Duration::from_secs(90)).await;
        fleet.outcome(seed)
    }

    fn start(self: &Rc<Self>, number: usize) -> Running {
        let folder: PathBuf = self.folder.path().join(number.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let options = MemberOptions { name: format!("host-{number}"), prefix: "t/".into(), lease: LEASE };
        let kv = FakeEtcd { world: Rc::clone(&self.world), faults: Rc::clone(&self.faults[number]) };
        let key = ClusterKey::new(&[3; 32]).unwrap();
        let (member, mut news) =
            Member::new(kv, self.clock.clone(), key, options, OwedAnswers::in_folder(&folder));
        let (fleet, handle) = (Rc::clone(self), member.clone());
        // All tasks of one process end together.
        let task = spawn_local(async move {
            let process = LocalSet::new();
            process
                .run_until(async move {
                    let runs = handle.clone();
                    spawn_local(async move { runs.run().await });
                    let (heard, known) = (handle.clone(), Rc::clone(&fleet));
                    spawn_local(async move {
                        while let Some(key) = news.recv().await {
                            if let Some(token) =
                                heard.seen(&key).and_then(|seen| seen.record.refresh_token(&key))
                            {
                                known.server.seen(token, number);
                            }
                        }
                    });
                    let held = Rc::new(RefCell::new(BTreeSet::new()));
                    for _ in 0..2 {
                        let (fleet, handle, held) = (Rc::clone(&fleet), handle.clone(), Rc::clone(&held));
                        spawn_local(async move { fleet.refresh_now_and_then(&handle, number, &held).await });
                    }
                    std::future::pending::<()>().await;
                })
                .await;
        });
        Running { member, task }
    }

    /// The engine, as far as it matters: it does not present a token again whose answer was lost.
    async fn refresh_now_and_then(
        &self,
        member: &TheMember,
        number: usize,
        held: &RefCell<BTreeSet<TokenDigest>>,
    ) {
        loop {
            sleep(Duration::from_millis(fastrand::u64(1..400))).await;
            self.faults[number].unpaused().await;
            let key = key(fastrand::usize(..self.plan.grants));
            let Some(seen) = member.seen(&key) else { continue };
            let Some(token) = seen.record.decoded(&key).and_then(|entry| entry.refresh_token) else {
                continue;
            };
            let digest = token.digest();
            if held.borrow().contains(&digest) || self.server.is_stopped() {
                continue;
            }
            let presented = RefreshToken::new(token.expose());
            let (server, faults) = (Rc::clone(&self.server), Rc::clone(&self.faults[number]));
            let send = async || {
                let answer = server.refresh(presented, &faults).await;
                if answer.is_err() {
                    held.borrow_mut().insert(digest);
                }
                answer
            };
            // Whatever it says: what counts is what the server saw.
            let _ = member.present(&token, send).await;
        }
    }

    fn one_fault(self: &Rc<Self>) {
        let number = fastrand::usize(..MEMBERS);
        let faults = Rc::clone(&self.faults[number]);
        let lasts = Duration::from_millis(fastrand::u64(50..12_000));
        match fastrand::u32(..4) {
            0 => {
                self.running.borrow()[number].task.abort();
                let fleet = Rc::clone(self);
                spawn_local(async move {
                    sleep(lasts / 4).await;
                    let again = fleet.start(number);
                    // Killed twice meanwhile: the later start wins.
                    let before = std::mem::replace(&mut fleet.running.borrow_mut()[number], again);
                    before.task.abort();
                });
            }
            1 => faults.pause_for(lasts),
            2 => faults.cut_for(lasts),
            _ => faults.lose_replies_for(lasts),
        }
    }

    fn outcome(&self, seed: u64) -> Outcome {
        let mut outcome = Outcome {
            seed,
            refreshes: self.server.refreshes(),
            faults: self.plan.faults,
            lost: 0,
            presented_twice: self.server.presented_twice(),
            lost_without_cause: Vec::new(),
            disagreeing: Vec::new(),
            never_seen: 0,
            slowest: self.server.slowest(),
        };
        let mut current = BTreeMap::new();
        for running in self.running.borrow().iter() {
            let member = &running.member;
            if member.owed() > 0 {
                outcome.disagreeing.push(format!("{} owes {}", member.name(), member.owed()));
            }
            for number in 0..self.plan.grants {
                let token =
                    member.seen(&key(number)).and_then(|seen| seen.record.refresh_token(&key(number)));
                if *current.entry(number).or_insert(token) != token {
                    outcome.disagreeing.push(format!("{} about {number}", member.name()));
                }
            }
        }
        for (number, token) in current {
            if token != Some(self.server.current(number)) {
                outcome.lost += 1;
                if !self.server.has_lost_answer(number) {
                    outcome.lost_without_cause.push(format!("{number}"));
                }
            } else {
                outcome.never_seen += self.server.unseen(number, MEMBERS);
            }
        }
        outcome
    }
}
