//! What became of many transactions, by kind of fault.

use super::verdict::Ended;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One row: the transactions that met one kind of fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    transactions: u64,
    at_once: u64,
    after: u64,
    ambiguous: u64,
    removed: u64,
    lost: BTreeMap<&'static str, u64>,
    failed: u64,
}

/// What became of many transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    rows: BTreeMap<&'static str, Row>,
    requests: u64,
    /// Transactions whose place for a fault was none, and which were drawn again.
    redrawn: u64,
}

impl Outcomes {
    pub(crate) fn count(&mut self, row: &'static str, ended: &Ended, requests: usize, redrawn: u64) {
        self.requests += requests as u64;
        self.redrawn += redrawn;
        let row = self.rows.entry(row).or_default();
        row.transactions += 1;
        match ended {
            Ended::AtOnce => row.at_once += 1,
            Ended::After => row.after += 1,
            Ended::AfterAmbiguous => row.ambiguous += 1,
            Ended::Removed => row.removed += 1,
            Ended::Lost(cause) => *row.lost.entry(cause).or_default() += 1,
            Ended::Failed(_) => row.failed += 1,
        }
    }

    /// Adds another one's numbers.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.redrawn += other.redrawn;
        for (name, row) in &other.rows {
            self.rows.entry(name).or_default().add(row);
        }
    }

    /// Number of transactions.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.rows.values().map(|row| row.transactions).sum()
    }

    /// Number of those in which something happened that must not.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.rows.values().map(|row| row.failed).sum()
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut all = Row::default();
        let _ = writeln!(
            text,
            "{:<40} {:>12} {:>10} {:>10} {:>10} {:>8} {:>9} {:>8}",
            "fault", "transactions", "at once", "after it", "ambiguous", "removed", "excused", "failures"
        );
        for (name, row) in &self.rows {
            row.print(name, &mut text);
            all.add(row);
        }
        all.print("all", &mut text);
        let _ = writeln!(text, "excused:");
        for (cause, count) in &all.lost {
            let _ = writeln!(text, "  {cause:<72} {count:>9}");
        }
        let _ = writeln!(text, "requests to token endpoints: {}", self.requests);
        let _ = writeln!(text, "drawn again, since the fault had no place: {}", self.redrawn);
        text
    }
}

impl Row {
    fn add(&mut self, other: &Self) {
        self.transactions += other.transactions;
        self.at_once += other.at_once;
        self.after += other.after;
        self.ambiguous += other.ambiguous;
        self.removed += other.removed;
        self.failed += other.failed;
        for (cause, count) in &other.lost {
            *self.lost.entry(cause).or_default() += count;
        }
    }

    fn print(&self, name: &str, text: &mut String) {
        let _ = writeln!(
            text,
            "{name:<40} {:>12} {:>10} {:>10} {:>10} {:>8} {:>9} {:>8}",
            self.transactions,
            self.at_once,
            self.after,
            self.ambiguous,
            self.removed,
            self.lost.values().sum::<u64>(),
            self.failed
        );
    }
}
