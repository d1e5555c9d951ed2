/// Who writes a store's document.
///
/// In a shared store another program's change is always news: a login, a logout, a refresh of a client, or damage that one did. Nobody
/// logs in to, or out of, a store of our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// Claude Code and this program. The document is Claude Code's.
    #[default]
    Shared,
    /// This program alone: the vault.
    Own,
}
