/// What the caller has to do about an error. In every case nothing was changed, and trying again later is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no document: wait for it to appear.
    Absent,
    /// It will pass by itself.
    Retry,
    /// It will not pass unless a person does something; tell them once.
    NeedsPerson,
}
