use std::path::PathBuf;

/// The member that holds the command.
pub(super) const HELPER: &str = "headersHelper";

/// One place where a server is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub scope: Scope,
    /// The command that fetches the server's headers, if there is one.
    pub helper: Option<String>,
    /// Whether the place has an `Authorization` header of its own.
    pub authorization: bool,
    /// Whether the client runs commands of this place: those of a project only once the user trusts the project.
    pub trusted: bool,
}

/// The client's word for how far a configuration reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every project of this user.
    User,
    /// One project, for this user alone: `projects` in the user's configuration.
    Local {
        /// The project's folder, as the configuration names it.
        project: String,
    },
    /// One project, for all its users: `.mcp.json` in its folder.
    Project {
        /// The project's folder, as the configuration names it.
        project: String,
    },
}
