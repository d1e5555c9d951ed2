//! A stand-in for `/usr/bin/security` of macOS, as far as it is known from reports: no Mac was at hand.
//!
//! [`Model`] is the tool without a process: arguments and input in, exit code and output out. The program `scripted-security` is
//! that model with its state in the home folder; [`Keychain`] is how a test reaches this state. Every call is recorded with its
//! arguments and environment, so that a test can look for what must not be there.

mod keychain;
mod line;
mod model;
pub mod overflow;
mod print;
mod whole;

pub use keychain::{Call, Keychain, program};
pub use model::{Answer, Behaviour, Item, Model};
