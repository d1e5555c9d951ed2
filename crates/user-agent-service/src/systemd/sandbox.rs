use super::unit::{quoted, utf8};
use crate::{Plan, ServiceError};
use compact::Arrange as _;
use std::path::Path;

/// The essential settings, all of which need user namespaces. Everything is readable, because the agent follows links and reads
/// projects; nothing is writable unless listed below.
const NEEDED: [&str; 7] = [
    "PrivateUsers=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "ProtectHome=read-only",
    "PrivateDevices=yes",
    "DevicePolicy=closed",
];

/// Further settings, where the manager supports them: systemd 245 does not know the last two, and user managers of 247 fail with four
/// of them (measured).
const WISHED: [&str; 9] = [
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "RemoveIPC=yes",
    "ProtectProc=invisible",
    "ProcSubset=pid",
];

/// The extent of a sandbox that a manager supports: all essential settings, and as many others as possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sandbox(Vec<&'static str>);

impl Sandbox {
    /// The strictest one for which `holds` succeeds.
    ///
    /// # Errors
    /// Why `holds` failed for the minimal one.
    pub(super) fn best<E>(holds: impl Fn(&Self) -> Result<(), E>) -> Result<Self, E> {
        let whole = Self(WISHED.to_vec());
        if holds(&whole).is_ok() {
            return Ok(whole);
        }
        let least = Self(Vec::new());
        holds(&least)?;
        let alone = |wish: &&'static str| holds(&Self(vec![*wish])).is_ok();
        let more = Self(WISHED.iter().copied().filter(alone).collect());
        Ok(if holds(&more).is_ok() { more } else { least })
    }

    /// The one described by a drop-in.
    pub(super) fn of(text: &str) -> Self {
        Self(WISHED.into_iter().filter(|wish| text.lines().any(|line| line == *wish)).collect())
    }

    /// Its settings.
    pub(super) fn settings(&self) -> impl Iterator<Item = &'static str> {
        NEEDED.iter().chain(&self.0).copied()
    }

    /// The settings that are not available.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let names = WISHED.iter().filter(|wish| !self.0.contains(wish));
        names.filter_map(|wish| wish.split('=').next()).collect()
    }
}

/// Folders that private ones would hide.
const SHARED: [&str; 2] = ["/tmp", "/var/tmp"];

/// The agent's sandbox as a drop-in.
///
/// # Errors
/// A path that no unit can contain.
pub(super) fn drop_in(sandbox: &Sandbox, plan: &Plan) -> Result<String, ServiceError> {
    let mut text = "[Service]\n".to_owned();
    for setting in sandbox.settings() {
        text.push_str(setting);
        text.push('\n');
    }
    let mut needed = plan.writable.iter().chain([&plan.program]);
    if !needed.any(|path| SHARED.iter().any(|shared| path.starts_with(shared))) {
        text.push_str("PrivateTmp=yes\n");
    }
    for path in outermost(&plan.writable) {
        // The dash makes it optional: a missing folder is ignored.
        text.push_str(&format!("ReadWritePaths={}\n", quoted(&format!("-{}", utf8(path)?))?));
    }
    Ok(text)
}

/// Drops duplicates and folders inside others.
fn outermost<'a>(folders: &'a [impl AsRef<Path> + 'a]) -> Vec<&'a Path> {
    let mut sorted: Vec<&Path> = folders.iter().map(AsRef::as_ref).collect();
    sorted.arrange();
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

    /// A manager that fails with these settings.
    fn allowed(fails_at: &[&str]) -> Result<Sandbox, &'static str> {
        Sandbox::best(|sandbox| match sandbox.settings().any(|setting| fails_at.contains(&setting)) {
            true => Err("forbidden"),
            false => Ok(()),
        })
    }

    fn whole(plan: &Plan) -> String {
        drop_in(&allowed(&[]).unwrap(), plan).unwrap()
    }

    #[test]
    fn settings_that_a_manager_rejects_are_omitted() {
        assert!(allowed(&[]).unwrap().missing().is_empty());
        let some = allowed(&["ProtectControlGroups=yes", "ProcSubset=pid"]).unwrap();
        assert_eq!(some.missing(), ["ProtectControlGroups", "ProcSubset"]);
        assert_eq!(allowed(&["PrivateUsers=yes"]), Err("forbidden"));
    }

    #[test]
    fn settings_that_fail_only_in_combination_are_omitted() {
        let least = Sandbox::best(|sandbox| if sandbox.0.len() > 1 { Err(()) } else { Ok(()) }).unwrap();
        assert_eq!(least.missing().len(), WISHED.len());
    }

    #[test]
    fn which_sandbox_a_drop_in_describes_is_read_from_it() {
        for fails_at in [&[][..], &["RemoveIPC=yes"], &WISHED] {
            let sandbox = allowed(fails_at).unwrap();
            assert_eq!(Sandbox::of(&drop_in(&sandbox, &plan("/usr/bin/x", &["/home/u"])).unwrap()), sandbox);
        }
    }

    #[test]
    fn only_what_is_named_is_writable_and_each_is_named_once() {
        let text = whole(&plan("/usr/bin/x", &["/home/u/.claude", "/home/u/.claude/deep", "/srv/a \"b%"]));
        let paths: Vec<_> = text.lines().filter(|line| line.starts_with("ReadWritePaths=")).collect();
        assert_eq!(paths, ["ReadWritePaths=\"-/home/u/.claude\"", "ReadWritePaths=\"-/srv/a \\\"b%%\""]);
        assert!(text.contains("PrivateTmp=yes\n"));
    }

    #[test]
    fn a_private_tmp_would_hide_a_store_or_a_program_that_lies_there() {
        assert!(!whole(&plan("/usr/bin/x", &["/tmp/claude"])).contains("PrivateTmp"));
        assert!(!whole(&plan("/var/tmp/x", &["/home/u"])).contains("PrivateTmp"));
        assert!(whole(&plan("/usr/bin/x", &["/tmpfoo/claude"])).contains("PrivateTmp"));
    }
}
