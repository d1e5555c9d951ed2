//! Tokens are in the memory of whatever command refreshes, looks or saves.

/// Nothing to do: another process of this user may look there whatever a program does, and dumps are made only where an administrator
/// asked for them (Windows Error Reporting, `LocalDumps`).
pub(crate) fn keep_private() -> Vec<String> {
    Vec::new()
}
