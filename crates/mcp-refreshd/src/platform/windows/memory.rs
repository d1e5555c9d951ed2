//! Protects the memory of commands that handle tokens.

/// Nothing to do: the user's other processes can always read it, and dumps are written only if an administrator has enabled them
/// (Windows Error Reporting, `LocalDumps`).
pub(crate) fn keep_private() -> Vec<String> {
    Vec::new()
}
