//! A file system in memory, for tests of everything that stands on [`claude_store::FileSystem`].
//!
//! [`VirtualDisk`] behaves as Linux does where the store, the locks and the journal can tell. Its clock is a base plus tokio's time, so
//! that it stands still and leaps with a paused runtime, plus steps that a test makes. It knows what is durable: after a
//! [`power_cut`](VirtualDisk::power_cut) only that is left. A handle stands for one process: several can share one disk, each can be
//! [killed](VirtualDisk::kill), and each has a hook that sees every call and can make it fail.
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
