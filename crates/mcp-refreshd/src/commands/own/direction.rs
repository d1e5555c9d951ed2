/// Which way grants move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Into the vault.
    In,
    /// Back to Claude Code's store.
    Back,
}
