/// The shell that commands for the user are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each system has one of them; both are tested everywhere")]
pub(crate) enum Shell {
    /// `sh` and its relatives.
    Posix,
    /// Windows PowerShell 5.1 and later.
    PowerShell,
}
