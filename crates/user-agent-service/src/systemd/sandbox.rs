use super::unit::{quoted, utf8};
use crate::{Plan, ServiceError};
use std::path::Path;

/// What needs user namespaces. Everything is readable, as the agent follows links and looks into projects; nothing is writable
/// but what is named below.
const FIXED: &str = "\
[Service]
PrivateUsers=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
PrivateDevices=yes
DevicePolicy=closed
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RemoveIPC=yes
";

/// Folders that a private one would hide.
const SHARED: [&str; 2] = ["/tmp", "/var/tmp"];

/// The sandbox around the agent.
///
/// # Errors
/// A path that no unit can hold.
pub(super) fn drop_in(plan: &Plan) -> Result<String, ServiceError> {
    let mut text = FIXED.to_owned();
    let mut needed = plan.writable.iter().chain([&plan.program]);
    if !needed.any(|path| SHARED.iter().any(|shared| path.starts_with(shared))) {
        text.push_str("PrivateTmp=yes\n");
    }
    for path in outermost(&plan.writable) {
        // The dash: one that is not there is passed over.
        text.push_str(&format!("ReadWritePaths={}\n", quoted(&format!("-{}", utf8(path)?))?));
    }
    Ok(text)
}

/// The folders that lie in none of the others, each once.
fn outermost<'a>(folders: &'a [impl AsRef<Path> + 'a]) -> Vec<&'a Path> {
    let mut sorted: Vec<&Path> = folders.iter().map(AsRef::as_ref).collect();
    sorted.sort();
    let mut kept: Vec<&Path> = Vec::new();
    for folder in sorted {
        if !kept.iter().any(|outer| folder.starts_with(outer)) {
            kept.push(folder);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(program: &str, writable: &[&str]) -> Plan {
        Plan {
            program: program.into(),
            version: "1".into(),
            writable: writable.iter().map(Into::into).collect(),
            variables: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_named_is_writable_and_each_is_named_once() {
        let text = drop_in(&plan("/usr/bin/x", &["/home/u/.claude", "/home/u/.claude/deep", "/srv/a \"b%"]))
            .unwrap();
        let paths: Vec<_> = text.lines().filter(|line| line.starts_with("ReadWritePaths=")).collect();
        assert_eq!(paths, ["ReadWritePaths=\"-/home/u/.claude\"", "ReadWritePaths=\"-/srv/a \\\"b%%\""]);
        assert!(text.contains("PrivateTmp=yes\n"));
    }

    #[test]
    fn a_private_tmp_would_hide_a_store_or_a_program_that_lies_there() {
        assert!(!drop_in(&plan("/usr/bin/x", &["/tmp/claude"])).unwrap().contains("PrivateTmp"));
        assert!(!drop_in(&plan("/var/tmp/x", &["/home/u"])).unwrap().contains("PrivateTmp"));
        assert!(drop_in(&plan("/usr/bin/x", &["/tmpfoo/claude"])).unwrap().contains("PrivateTmp"));
    }
}
