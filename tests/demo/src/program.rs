//! The agent's binary.

use harness::Fallible;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The one beside this program. Under cargo it is built first, so that it is never older than its source.
pub(crate) fn beside() -> Fallible<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().ok_or("this program has no folder")?;
    let binary = folder.join(format!("mcp-refreshd{}", std::env::consts::EXE_SUFFIX));
    if let Some(cargo) = std::env::var_os("CARGO") {
        build(&cargo, folder)?;
    }
    if binary.is_file() {
        return Ok(binary);
    }
    let binary = binary.display();
    Err(format!(
        "there is no agent at {binary}: build it (cargo build -p mcp-refreshd) or name it with --agent"
    )
    .into())
}

fn build(cargo: &OsStr, folder: &Path) -> Fallible<()> {
    let profile = match folder.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "mcp-refreshd", "--profile", profile]);
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    // What `cargo run` tells this program about itself would make cargo build crates again that look at such variables.
    for (name, _) in std::env::vars_os() {
        let about_us = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        if name.to_str().is_some_and(|name| about_us.iter().any(|start| name.starts_with(start))) {
            command.env_remove(name);
        }
    }
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("cannot build the agent: {status}").into()),
    }
}
