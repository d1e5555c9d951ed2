use crate::look::Look;

/// What a picture may use of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Canvas {
    /// Columns.
    pub(super) width: usize,
    /// The locale is UTF-8.
    pub(super) unicode: bool,
    pub(super) colour: bool,
}

impl Canvas {
    /// What this reader offers; `None` where it is no terminal.
    pub(super) fn of(look: Look) -> Option<Self> {
        let (width, _) = look.size?;
        Some(Self { width, unicode: look.utf8, colour: look.colour })
    }
}
