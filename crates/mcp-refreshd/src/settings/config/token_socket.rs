//! `[token_socket]`: a second socket that hands out access tokens, for containers and other machines.

use super::table::{Findings, Table};
use crate::platform::sockets::CAN_BE_SHARED;
use std::path::PathBuf;
use toml::de::DeTable;

/// The second socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenSocket {
    /// Where it is; `None` means in the state folder.
    pub(crate) path: Option<PathBuf>,
    /// The servers whose access tokens it hands out.
    pub(crate) servers: Vec<String>,
    /// The secret that each request must hold. Without it, only processes of this user are answered.
    pub(crate) secret_file: Option<PathBuf>,
}

/// Parses the table. `path` makes an absolute path of a text, if it is one.
pub(super) fn token_socket(
    table: &DeTable<'_>,
    path: impl Fn(&str) -> Option<PathBuf>,
    findings: &mut Findings<'_>,
) -> Option<TokenSocket> {
    let table = Table::new("token_socket", table, &["path", "servers", "secret_file"], findings);
    let mut file = |key: &str| {
        let (text, span) = table.text(key, findings)?;
        let file = path(text).filter(|path| path.file_name().is_some() && !text.ends_with('/'));
        if file.is_none() {
            findings
                .note(span, format!("`token_socket.{key}` must be an absolute path or begin with \"~/\""));
        }
        file
    };
    let (path, secret_file) = (file("path"), file("secret_file"));
    let servers = table.texts("servers", findings).unwrap_or_default();
    let servers: Vec<_> = servers.into_iter().map(|(name, _)| name.to_owned()).collect();
    if servers.is_empty() {
        let place = table.place("servers").unwrap_or(0..0);
        findings.note(
            place,
            "`token_socket.servers` must name the servers whose access tokens may be handed out",
        );
    }
    if !CAN_BE_SHARED {
        findings.note(0..0, "`token_socket` is not available on Windows");
    }
    Some(TokenSocket { path, servers, secret_file })
}
