//! What a person types, on which machine.

use super::machine::Machine;
use crate::Fallible;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A state folder whose journal holds a pair that is not in the store, and a store that has the pair before it.
const UNSAVED: [&str; 2] = [
    include_str!("../../../../crates/mcp-refreshd/tests/fixtures/state-1/journal"),
    include_str!("../../../../crates/mcp-refreshd/tests/fixtures/state-1/credentials.json"),
];
/// The store when that pair was saved.
const SAVED: &str =
    include_str!("../../../../crates/mcp-refreshd/tests/fixtures/state-1/credentials.after.json");
/// What a person put into the unit.
const EDIT: &str = "\n[Unit]\nDocumentation=man:mine(7)\n";
/// Where an older program lies, below the home folder.
const OLDER: &str = "older";

/// A command, and what it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// Installed for the first time, with a variable of the shell that is to be kept.
    Install,
    /// Another copy of the program runs as a service, on a newer systemd.
    InstallOver,
    /// The same, and the unit was edited by hand.
    InstallOverEdited,
    /// It fails at the last step, and everything is taken back.
    InstallRefused,
    /// Everything goes.
    Uninstall,
    /// The unit was edited by hand.
    UninstallEdited,
    /// The journal holds a pair that is not in the store.
    UninstallUnsaved,
    /// State and configuration go, too.
    Purge,
}

impl Story {
    pub(crate) const ALL: [Self; 8] = [
        Self::Install,
        Self::InstallOver,
        Self::InstallOverEdited,
        Self::InstallRefused,
        Self::Uninstall,
        Self::UninstallEdited,
        Self::UninstallUnsaved,
        Self::Purge,
    ];

    pub(crate) fn wording(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::InstallOver => "install over another one",
            Self::InstallOverEdited => "install over an edited unit",
            Self::InstallRefused => "install that fails and is taken back",
            Self::Uninstall => "uninstall",
            Self::UninstallEdited => "uninstall with an edited unit",
            Self::UninstallUnsaved => "uninstall with an unsaved pair",
            Self::Purge => "uninstall --purge",
        }
    }

    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Install | Self::InstallOver | Self::InstallOverEdited | Self::InstallRefused => {
                &["install"]
            }
            Self::Uninstall | Self::UninstallEdited | Self::UninstallUnsaved => &["uninstall"],
            Self::Purge => &["uninstall", "--purge", "--yes"],
        }
    }

    /// What the store holds at the beginning.
    pub(super) fn document(self) -> &'static str {
        match self {
            Self::UninstallUnsaved => UNSAVED[1],
            _ => SAVED,
        }
    }

    /// What it holds in the end.
    pub(super) fn saved() -> &'static str {
        SAVED
    }

    /// Brings the machine to where the command is typed.
    pub(super) fn prepare(self, machine: &Machine) -> Fallible<()> {
        if self == Self::InstallRefused {
            machine.obstacle(true)?;
        }
        if matches!(self, Self::Install | Self::InstallRefused) {
            return Ok(());
        }
        let older = machine.home().path().join(OLDER);
        fs::create_dir(&older)?;
        symlink(machine.home().program(), older.join("mcp-refreshd"))?;
        machine.command(&["install"], &format!("{}:", older.display()))?;
        if !machine.runs() {
            return Err("the first installation failed".into());
        }
        // By hand, from a terminal, and told to the manager.
        if matches!(self, Self::InstallOverEdited | Self::UninstallEdited) {
            let edited = format!("{}{EDIT}", fs::read_to_string(machine.unit())?);
            fs::write(machine.unit(), edited)?;
        }
        if self == Self::UninstallUnsaved {
            let home = machine.home().path().to_string_lossy().into_owned();
            let journal = machine.state().join("journal");
            fs::write(&journal, UNSAVED[0].replace("@HOME@", &home))?;
            fs::set_permissions(&journal, fs::Permissions::from_mode(0o600))?;
        }
        machine.set_version("254")
    }

    /// Before the command is typed once more.
    pub(super) fn mend(self, machine: &Machine) -> Fallible<()> {
        if self == Self::InstallRefused { machine.obstacle(false) } else { Ok(()) }
    }
}
