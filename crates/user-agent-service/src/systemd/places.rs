use super::UNIT;
use crate::{Origin, Surroundings};
use std::path::PathBuf;

/// Folders of packaged units, by precedence (systemd.unit(5), "Unit File Search Path" of user managers).
const PACKAGES: [&str; 4] =
    ["etc/systemd/user", "usr/local/lib/systemd/user", "usr/lib/systemd/user", "lib/systemd/user"];

/// Drop-ins that may be ours.
const DROP_INS: [&str; 4] = ["program.conf", "folders.conf", "restart.conf", "sandbox.conf"];

/// The unit's paths.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) home: PathBuf,
    /// The user's own units.
    folder: PathBuf,
    /// The folders of packages.
    packages: Vec<PathBuf>,
}

impl Places {
    pub(super) fn new(surroundings: &Surroundings<'_>) -> Self {
        let Surroundings { home, env, .. } = surroundings;
        let config = env("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let root = std::path::Path::new("/");
        Self {
            home: home.clone(),
            folder: config.unwrap_or_else(|| home.join(".config")).join("systemd/user"),
            packages: PACKAGES.iter().map(|folder| root.join(folder)).collect(),
        }
    }

    /// The unit that we write.
    pub(super) fn unit(&self) -> PathBuf {
        self.folder.join(UNIT)
    }

    /// A package's unit.
    pub(super) fn packaged(&self) -> Option<PathBuf> {
        self.packages.iter().map(|folder| folder.join(UNIT)).find(|path| path.exists())
    }

    /// The unit in effect, and who installed it.
    pub(super) fn main(&self) -> Option<(PathBuf, Origin)> {
        let own = Some(self.unit()).filter(|path| path.exists()).map(|path| (path, Origin::Us));
        own.or_else(|| Some((self.packaged()?, Origin::Package)))
    }

    /// The folder of drop-ins.
    pub(super) fn drop_ins(&self) -> PathBuf {
        self.folder.join(format!("{UNIT}.d"))
    }

    pub(super) fn drop_in(&self, name: &str) -> PathBuf {
        self.drop_ins().join(name)
    }

    /// The drop-ins that may be ours.
    pub(super) fn all_drop_ins(&self) -> impl Iterator<Item = PathBuf> {
        DROP_INS.iter().map(|name| self.drop_in(name))
    }

    /// Whether a target wants it: a link in the user's folder, the administrator's or a package's.
    pub(super) fn is_enabled(&self) -> bool {
        let mut folders = std::iter::once(&self.folder).chain(&self.packages);
        folders.any(|folder| folder.join("default.target.wants").join(UNIT).symlink_metadata().is_ok())
    }
}

#[cfg(unix)]
#[cfg(test)]
impl Places {
    /// Paths in a test's folder.
    pub(super) fn below(root: &std::path::Path) -> Self {
        Self {
            home: root.join("home"),
            folder: root.join("home/.config/systemd/user"),
            packages: PACKAGES.iter().map(|folder| root.join(folder)).collect(),
        }
    }
}
