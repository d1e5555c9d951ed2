//! A substitute for macOS's `/usr/bin/security`, as far as reports describe it: no Mac was available.
//!
//! [`Model`] is the tool without a process: arguments and input in, exit code and output out. The program `scripted-security` runs that
//! model with its state in the home folder, which a test accesses with [`Keychain`]. Every call is recorded with its arguments and
//! environment, so that a test can check them for secrets.

mod keychain;
mod line;
mod model;
pub mod overflow;
mod print;
mod whole;

pub use keychain::{Call, Keychain, program};
pub use model::{Answer, Behaviour, Item, Model};
