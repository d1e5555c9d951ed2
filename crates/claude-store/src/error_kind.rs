/// How the caller should handle an error. Nothing was changed in any case, and a later retry is always safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The document does not exist: wait for it to appear.
    Absent,
    /// Transient: retry.
    Retry,
    /// Persists until the user acts; notify them once.
    NeedsPerson,
}
