//! Tokens are in the memory of whatever command refreshes, looks or saves: nobody else gets to see it.

use crate::platform;
use rustix::process::{Resource, Rlimit, setrlimit};

/// No core dump and no other process of this user may hold the tokens that are in our memory. Says what cannot be had.
pub(crate) fn keep_private() -> Vec<String> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let core =
        setrlimit(Resource::Core, none).map_err(|error| format!("core dumps cannot be forbidden: {error}"));
    let tracing = platform::this::forbid_tracing().map_err(|error| {
        format!("other processes of this user cannot be kept from reading this one's memory: {error}")
    });
    [core, tracing].into_iter().filter_map(Result::err).collect()
}
