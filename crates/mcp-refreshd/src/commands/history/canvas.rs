use crate::terminal::style::Style;
use std::borrow::Cow;

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
    /// What this reader offers; `None` if it is no terminal.
    pub(super) fn of(style: Style) -> Option<Self> {
        let (width, _) = style.size?;
        Some(Self { width, unicode: style.utf8, colour: style.colour })
    }

    /// The text as this terminal can show it.
    pub(super) fn shows<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Self { width, unicode: utf8, colour } = *self;
        Style { size: Some((width, 1)), colour, utf8, cursor: false }.shows(text)
    }
}
