//! What the real client can refresh, the agent can refresh: one table.
//!
//! Each case is a server's manner or a surrounding. It is run twice on an expired token, each time with a server and a home of its own:
//! once with the client alone (`claude mcp get`), once with the agent alone. Where the client connects, the agent's pair must work
//! afterwards, with no more token requests than the client made; where the client fails, the agent must say why.

mod agent;
mod case;
mod cases;
mod certificates;
mod client;
mod lab;
mod proxy;
mod run;
mod verdict;

pub(crate) use case::Case;
pub(crate) use cases::all;
pub(crate) use run::run;
