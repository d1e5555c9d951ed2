use std::collections::BTreeMap;

/// What happened to one server's entry in one life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Logins that were needed: the user wanted to use the server, and the grant was gone.
    pub logins: u64,
    /// Those that a program could have avoided.
    pub avoidable: u64,
    /// Those caused only by a kill of the daemon, which cannot happen in a life without it.
    pub by_kills_of_the_daemon: u64,
    /// Why grants were lost.
    pub causes: BTreeMap<&'static str, u64>,
    /// The same for avoidable losses only.
    pub avoidable_causes: BTreeMap<&'static str, u64>,
    /// Times a client found its entry expired.
    pub expired_reads: u64,
    /// The same while machine, network and endpoint had been in order for a while.
    pub expired_reads_in_calm: u64,
    /// The same by an unexpected session: none recently, and none usually at this time.
    pub expired_reads_unexpected: u64,
    /// Requests of the daemon that reached the token endpoint's host.
    pub daemon_requests: u64,
    /// Requests of clients that reached it.
    pub client_requests: u64,
    /// Requests that met a fault: an outage, a lost or slow answer, a broken connection.
    pub faults: u64,
    /// Families that the server revoked because a spent refresh token was presented.
    pub revocations: u64,
    /// Tool calls and connections of clients.
    pub uses: u64,
}

impl Tally {
    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        self.logins += other.logins;
        self.avoidable += other.avoidable;
        self.by_kills_of_the_daemon += other.by_kills_of_the_daemon;
        for (cause, count) in &other.causes {
            *self.causes.entry(cause).or_default() += count;
        }
        for (cause, count) in &other.avoidable_causes {
            *self.avoidable_causes.entry(cause).or_default() += count;
        }
        self.expired_reads += other.expired_reads;
        self.expired_reads_in_calm += other.expired_reads_in_calm;
        self.expired_reads_unexpected += other.expired_reads_unexpected;
        self.daemon_requests += other.daemon_requests;
        self.client_requests += other.client_requests;
        self.faults += other.faults;
        self.revocations += other.revocations;
        self.uses += other.uses;
    }
}

/// What happened in one life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// All servers together.
    pub tally: Tally,
    /// Entries that vanished together and were restored at the user's request.
    pub restored: u64,
    /// Transactions that the engine began.
    pub transactions: u64,
    /// Faults of the machine: kills, power cuts, disks, clocks, networks.
    pub machine_faults: u64,
    /// Bytes that the daemon wrote, journal and records included.
    pub daemon_bytes: u64,
    /// Bytes that clients wrote.
    pub client_bytes: u64,
    /// By the life of the access token in minutes: requests of the daemon, and answers that were lost.
    pub by_lifetime: BTreeMap<u64, (u64, u64)>,
    /// Hours that the machine was awake.
    pub awake_hours: u64,
    /// Broken promises, each with its day.
    pub failures: Vec<String>,
}

impl Account {
    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        self.tally.add(&other.tally);
        self.restored += other.restored;
        self.transactions += other.transactions;
        self.machine_faults += other.machine_faults;
        self.daemon_bytes += other.daemon_bytes;
        self.client_bytes += other.client_bytes;
        for (life, (requests, losses)) in &other.by_lifetime {
            let mine = self.by_lifetime.entry(*life).or_default();
            *mine = (mine.0 + requests, mine.1 + losses);
        }
        self.awake_hours += other.awake_hours;
        self.failures.extend(other.failures.iter().cloned());
    }
}
