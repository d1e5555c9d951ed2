use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

/// How many bytes may be read at once during bursts. Reading and parsing a byte takes 1 to 2 ns, so this is a twentieth of a second.
const BURST: u64 = 32 << 20;
/// How many bytes are regained per second: 0.2 % of one processor.
const PER_SECOND: u64 = 1 << 20;

/// Limits the cost of a store that changes all the time: how many bytes may be read before it is quiet. The budget refills over time.
///
/// Ordinary documents of a few kilobytes and bursts under a second never reach it. It bounds the cost of megabytes that
/// change endlessly.
pub(super) struct ReadBudget {
    left: Cell<u64>,
    at: Cell<Instant>,
}

impl ReadBudget {
    pub(super) fn new() -> Self {
        Self { left: Cell::new(BURST), at: Cell::new(Instant::now()) }
    }

    /// Takes this much, if available.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let enough = self.wait_for(bytes).is_zero();
        if enough {
            self.left.set(self.left.get().saturating_sub(bytes));
        }
        enough
    }

    /// How long until this much is available, capped at the full budget.
    pub(super) fn wait_for(&self, bytes: u64) -> Duration {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.at.get());
        let back =
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX).saturating_mul(PER_SECOND) / 1_000_000;
        if back > 0 {
            self.left.set(self.left.get().saturating_add(back).min(BURST));
            self.at.set(now);
        }
        let missing = bytes.min(BURST).saturating_sub(self.left.get());
        Duration::from_micros(missing.saturating_mul(1_000_000) / PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: u64 = 1 << 20;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_endless_changes_are_paced() {
        let budget = ReadBudget::new();
        assert!((0..32).all(|_| budget.take(MEGABYTE)));
        assert!(!budget.take(MEGABYTE));
        assert_eq!(budget.wait_for(5 * MEGABYTE), Duration::from_secs(5));
        let mut taken = 0;
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            taken += u32::from(budget.take(5 * MEGABYTE));
        }
        assert!((11..=12).contains(&taken), "a megabyte a second, not {taken} documents in a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn small_documents_are_read_at_each_change() {
        let budget = ReadBudget::new();
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(budget.take(50_000));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_above_the_budget_does_not_wait_forever() {
        let budget = ReadBudget::new();
        assert!(budget.take(100 * MEGABYTE));
        assert_eq!(budget.wait_for(u64::MAX), Duration::from_secs(32));
    }
}
