//! An in-memory file system for testing everything built on [`claude_store::FileSystem`].
//!
//! [`VirtualDisk`] behaves like Linux as far as the store, the locks and the journal can tell. Its clock is a base plus tokio's time, so
//! it stops and jumps with a paused runtime, plus steps made by a test. It tracks what is durable: only that survives a
//! [`power_cut`](VirtualDisk::power_cut). A handle represents a process: several can share a disk, each can be
//! [killed](VirtualDisk::kill), and each has a hook that observes every call and can make it fail.
//!
//! ```
//! use claude_store::FileSystem;
//! use std::path::Path;
//! use virtual_disk::{PowerCut, VirtualDisk};
//! let disk = VirtualDisk::new();
//! disk.put("/home/u/kept", "kept");
//! let file = disk.create_file(Path::new("/home/u/new"), 0o600).unwrap();
//! disk.append(&file, b"gone").unwrap();
//! let after = disk.power_cut(PowerCut::LoseAll);
//! assert_eq!(after.text("/home/u/kept").as_deref(), Some("kept"));
//! assert_eq!(after.text("/home/u/new"), None);
//! ```
#![allow(clippy::expect_used, clippy::panic, reason = "a test's own mistake should end the test")]

mod changes;
mod clock;
mod file_system;
mod names;
mod nodes;
mod power_cut;
mod process;
mod set_up;

pub use file_system::VirtualFile;
pub use power_cut::PowerCut;
pub use process::{Call, Operation, VirtualDisk};
