//! Protects the memory of commands that handle tokens.

use crate::platform;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Keeps the tokens in our memory out of core dumps and out of reach of the user's other processes. Returns what failed.
pub(crate) fn keep_private() -> Vec<String> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let core = setrlimit(Resource::Core, none).map_err(|error| format!("cannot disable core dumps: {error}"));
    let tracing = platform::this::forbid_tracing().map_err(|error| {
        format!("cannot keep other processes of this user from reading this one's memory: {error}")
    });
    [core, tracing].into_iter().filter_map(Result::err).collect()
}
