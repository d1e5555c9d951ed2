//! The log: one line per event, on standard error or in a file, as text or JSON.

mod layer;
mod line;
mod observer;
mod panic;

pub(crate) use layer::{end_of_all, goes_to, init, into_file, set};
pub(crate) use observer::LogObserver;
pub(crate) use panic::end_at_a_panic;

#[cfg(test)]
mod tests;
