use std::hash::{BuildHasher, Hasher, RandomState};

/// A number for a name that nobody else uses. Files are made with `O_EXCL`: it need not be unguessable.
pub(crate) fn random_u32() -> u32 {
    // Every `RandomState` hashes differently, so the hash of nothing is a new number each time.
    let [a, b, c, d, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}
