//! Reproducible random numbers: the same seed and purpose yield the same sequence, whether or not the agent runs.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The sequence for one purpose.
pub(super) struct SeededRng(fastrand::Rng);

impl SeededRng {
    /// The sequence for one purpose, independent of those for other purposes.
    pub(super) fn of(seed: u64, purpose: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, purpose).hash(&mut hasher);
        Self(fastrand::Rng::with_seed(hasher.finish()))
    }

    /// At least 0, less than 1.
    pub(super) fn fraction(&mut self) -> f64 {
        self.0.f64()
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// A duration between these bounds, in seconds.
    pub(super) fn seconds(&mut self, from: f64, to: f64) -> Duration {
        Duration::from_secs_f64(from + (to - from) * self.fraction())
    }
}
