//! The log: one line per event, on standard error or in a file, as text or JSON.

mod layer;
mod line;
mod observer;

pub(crate) use layer::{end_of_all, goes_to, init, into_file, set};
pub(crate) use observer::LogObserver;

#[cfg(test)]
mod tests;
