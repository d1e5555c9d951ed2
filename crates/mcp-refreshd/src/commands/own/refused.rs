/// Something asked for that is not moved.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) name: String,
    pub(super) why: String,
    /// Nothing is wrong with that.
    pub(super) harmless: bool,
}

impl Refused {
    pub(super) fn new(name: &str, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), why: why.into(), harmless: false }
    }
}
