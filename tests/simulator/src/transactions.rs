//! Transactions with a fault in each.
//!
//! Every transaction has a small world of its own: one server, one entry that is due, the real engine, store, locks and journal on a
//! disk in memory. A fault is drawn from seed and number and injected at a drawn point of exactly that transaction; one in ten gets
//! two. Afterwards an oracle checks the server's ledger, the store and the journal.

mod bytes;
mod case;
mod command;
mod fault;
mod fault_injector;
mod follow_up;
mod others;
mod table;
mod trial;
mod verdict;

pub use command::run;
pub use table::Outcomes;

use case::Case;
use verdict::Ended;

/// The drawn point may not exist, if the transaction made fewer calls or no request. Then it is drawn again.
const ATTEMPTS: u64 = 1000;

/// Runs the transaction with this seed and number, counts it, and returns what failed.
pub fn examine(seed: u64, number: u64, verbose: bool, outcomes: &mut Outcomes) -> Vec<String> {
    for attempt in 0..ATTEMPTS {
        let case = Case::draw(seed, number, attempt);
        if verbose {
            eprintln!("{case:?}");
        }
        let row = case.row();
        let told = format!("{:?}", case.faults);
        let lived = trial::live(case, verbose);
        if !lived.struck {
            continue;
        }
        if verbose {
            eprintln!("{:?}", lived.ended);
        }
        outcomes.count(row, &lived.ended, lived.requests, attempt);
        let Ended::Failed(complaints) = lived.ended else { return Vec::new() };
        let from = |complaint| format!("seed {seed}, number {number} ({row}): {complaint}; faults {told}");
        return complaints.into_iter().map(from).collect();
    }
    vec![format!("seed {seed}, number {number}: no place for its fault")]
}
