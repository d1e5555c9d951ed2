//! Random numbers that come again: the same seed and label give the same ones, whoever keeps the tokens fresh.

use std::time::Duration;

/// The numbers for one purpose.
pub(super) struct SeededRng(u64);

impl SeededRng {
    /// The numbers of a run for one purpose; those for another purpose do not change them.
    pub(super) fn of(seed: u64, purpose: &str) -> Self {
        // FNV-1a: the label needs to differ, not to be unpredictable.
        let label = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(scramble(seed ^ label))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scramble(self.0)
    }

    /// At least 0, less than 1.
    pub(super) fn fraction(&mut self) -> f64 {
        // 32 bits are exact in a float, and enough.
        f64::from(u32::try_from(self.next() >> 32).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 32).unwrap_or_default() % end.max(1)
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// A time between these, in seconds.
    pub(super) fn seconds(&mut self, from: f64, to: f64) -> Duration {
        Duration::from_secs_f64(from + (to - from) * self.fraction())
    }
}

/// SplitMix64.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
