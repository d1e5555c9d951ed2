//! One row of the table.

use super::lab::Lab;
use crate::Fallible;

/// A server's manner, or a surrounding.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What 2.1.332 does: a client that does otherwise is a finding, and a bench that is broken does not look like parity.
    pub(crate) client: Client,
    pub(crate) agent: Agent,
    /// Makes a server and a home; each side gets its own.
    pub(crate) prepare: fn() -> Fallible<Lab>,
}

/// What the client does, measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Connects,
    /// It asks for a login, or cannot reach the server.
    Fails,
}

/// What the agent must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agent {
    /// As the client, and where that fails, it says why.
    AsClient,
    /// As the client, and where that fails, its words hold this.
    Says(&'static str),
    /// It refuses on purpose what the client does, and its words hold this.
    Refuses(&'static str),
    /// It must end fresh though the client does not.
    Fresh,
}

impl Case {
    /// The client connects, and so the agent must end fresh.
    pub(super) const fn connects(name: &'static str, prepare: fn() -> Fallible<Lab>) -> Self {
        Self { name, client: Client::Connects, agent: Agent::AsClient, prepare }
    }

    /// The client fails, and the agent must say so with these words among its own.
    pub(super) const fn fails(
        name: &'static str,
        says: &'static str,
        prepare: fn() -> Fallible<Lab>,
    ) -> Self {
        Self { name, client: Client::Fails, agent: Agent::Says(says), prepare }
    }

    /// The client connects, the agent refuses on purpose.
    pub(super) const fn refused(
        name: &'static str,
        says: &'static str,
        prepare: fn() -> Fallible<Lab>,
    ) -> Self {
        Self { name, client: Client::Connects, agent: Agent::Refuses(says), prepare }
    }

    /// The client fails, the agent does better.
    pub(super) const fn better(name: &'static str, prepare: fn() -> Fallible<Lab>) -> Self {
        Self { name, client: Client::Fails, agent: Agent::Fresh, prepare }
    }
}
