//! `mcp-refreshd cluster`: the running agent moves a grant between its vault and the cluster.

use crate::cli::ClusterCommand;
use crate::control::protocol::{Reply, Request};
use crate::control::socket;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;

/// Has the agent move it.
///
/// # Errors
/// No agent runs, or it could not.
pub(crate) async fn cluster(paths: &Paths, command: ClusterCommand) -> Result<Exit, Failure> {
    let (name, add) = match command {
        ClusterCommand::Add { name } => (name, true),
        ClusterCommand::Remove { name } => (name, false),
    };
    match socket::ask(&paths.state, &Request::Cluster { name, add }).await? {
        Some(Reply::Moved(moved)) => {
            output::result(&format!("{moved}\n"))?;
            Ok(Exit::Well)
        }
        Some(Reply::Refused(why)) => Err(Failure::new(Exit::Person, why)),
        Some(_) => Err(Failure::new(Exit::Person, "the agent does not understand this; restart it")),
        None => Err(Failure::new(Exit::NotRunning, "the agent is not running; type: mcp-refreshd start")),
    }
}
