//! What the user reads: text, its layout, and the one place that prints it.

mod characters;
pub(crate) mod columns;
pub(crate) mod command_line;
pub(crate) mod exit;
pub(crate) mod failure;
pub(crate) mod local;
pub(crate) mod output;
pub(crate) mod pager;
pub(crate) mod paragraph;
pub(crate) mod prompt;
pub(crate) mod remedy;
pub(crate) mod shell;
pub(crate) mod style;
pub(crate) mod suggest;
pub(crate) mod wording;
