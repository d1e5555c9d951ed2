/// The format this version writes. Older ones are read, newer ones refused.
pub(super) const VERSION: u32 = 1;
