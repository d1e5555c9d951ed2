//! What happens, one line for each event, on standard error: text for people or JSON for programs.

mod layer;
mod line;
mod observer;

pub(crate) use layer::{init, set};
pub(crate) use observer::LogObserver;

#[cfg(test)]
mod tests;
