use crate::Account;
use std::fmt::Write as _;

/// Both lives side by side, per server and year.
#[must_use]
pub fn table(years: u64, servers: u64, with: &Account, without: &Account) -> String {
    let server_years = (years * servers).max(1) as f64;
    let mut text = String::new();
    let mut row = |name: &str, with: u64, without: u64| {
        let per = |count: u64| count as f64 / server_years;
        let _ =
            writeln!(text, "{name:<46} {with:>12} {:>10.4} {without:>12} {:>10.4}", per(with), per(without));
    };
    row("log-ins needed", with.tally.logins, without.tally.logins);
    row("  of those avoidable", with.tally.avoidable, without.tally.avoidable);
    row("entries put back at a person's word", with.restored, without.restored);
    row("reads of an expired entry", with.tally.expired_reads, without.tally.expired_reads);
    row(
        "  while awake, online and in order",
        with.tally.expired_reads_in_calm,
        without.tally.expired_reads_in_calm,
    );
    row(
        "  the same, by somebody nobody expected",
        with.tally.expired_reads_unexpected,
        without.tally.expired_reads_unexpected,
    );
    row("uses of a server by clients", with.tally.uses, without.tally.uses);
    row("requests of clients", with.tally.client_requests, without.tally.client_requests);
    row("requests of the daemon", with.tally.daemon_requests, without.tally.daemon_requests);
    row("  that met a fault, clients' included", with.tally.faults, without.tally.faults);
    row("transactions begun by the daemon", with.transactions, without.transactions);
    row("families revoked for reuse", with.tally.revocations, without.tally.revocations);
    row("faults of the machine", with.machine_faults, without.machine_faults);
    row("bytes written by the daemon", with.daemon_bytes, without.daemon_bytes);
    row("bytes written by clients", with.client_bytes, without.client_bytes);
    row("hours awake", with.awake_hours, without.awake_hours);
    let mut lives: Vec<&u64> = with.by_lifetime.keys().chain(without.by_lifetime.keys()).collect();
    lives.sort_unstable();
    lives.dedup();
    for life in lives {
        let of = |account: &Account| account.by_lifetime.get(life).copied().unwrap_or_default();
        let (with, without) = (of(with), of(without));
        row(&format!("requests of the daemon, tokens of {life} min"), with.0, without.0);
        row("  lost on the wire there, by anybody", with.1, without.1);
    }
    let mut causes: Vec<&&str> = with.tally.causes.keys().chain(without.tally.causes.keys()).collect();
    causes.sort_unstable();
    causes.dedup();
    for cause in causes {
        let count = |account: &Account| account.tally.causes.get(*cause).copied().unwrap_or(0);
        row(&format!("lost: {cause}"), count(with), count(without));
        let avoidable = |account: &Account| account.tally.avoidable_causes.get(*cause).copied().unwrap_or(0);
        if avoidable(with) + avoidable(without) > 0 {
            row("  avoidable", avoidable(with), avoidable(without));
        }
    }
    let head = format!(
        "{:<46} {:>12} {:>10} {:>12} {:>10}\n",
        format!("{} server-years", years * servers),
        "with",
        "a year",
        "without",
        "a year"
    );
    head + &text
}
