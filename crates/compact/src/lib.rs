//! What libraries compile anew for each type, compiled once: a smaller program for a few instructions more.
//!
//! # Limits
//! Each comparison of a sort is an indirect call, and each sort or task one allocation more. An insertion into a map moves what is behind it: for
//! more than some thousands of entries, or for large ones, use the standard library's.

mod map;
mod order;
mod serde;
mod set;
mod task;

pub use map::{Entry, Iter, Map};
pub use order::{Arrange, order};
pub use set::{Elements, Set};
pub use task::spawn_local;

#[cfg(test)]
mod tests;
