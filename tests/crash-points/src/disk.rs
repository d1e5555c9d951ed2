//! A small disk whose power can be cut: a file system in a file, mounted through a loop device. Needs root.

use crate::Fallible;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A journaling file system that loses unsynced data in a power cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Ext4,
    Xfs,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Ext4, Self::Xfs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// Size in bytes; the minimum for mkfs. The file is sparse.
    fn size(self) -> u64 {
        match self {
            Self::Ext4 => 16 << 20,
            Self::Xfs => 300 << 20,
        }
    }
}

/// A mounted disk; unmounted and deleted when dropped.
pub(crate) struct Disk {
    image: PathBuf,
    mounted: PathBuf,
    _folder: TempDir,
}

impl Disk {
    /// Creates a file system and mounts it.
    pub(crate) fn new(kind: Kind) -> Fallible<Self> {
        let folder = tempfile::tempdir()?;
        let (image, mounted) = (folder.path().join("image"), folder.path().join("disk"));
        File::create(&image)?.set_len(kind.size())?;
        std::fs::create_dir(&mounted)?;
        run(Command::new(format!("mkfs.{}", kind.name())).arg("-q").arg(&image))?;
        let disk = Self { image, mounted, _folder: folder };
        disk.mount()?;
        Ok(disk)
    }

    /// Its mount point.
    pub(crate) fn path(&self) -> &Path {
        &self.mounted
    }

    /// Makes everything durable.
    pub(crate) fn sync(&self) -> Fallible<()> {
        rustix::fs::syncfs(File::open(&self.mounted)?)?;
        Ok(())
    }

    /// Discards unsynced data and mounts it again, like a reboot.
    pub(crate) fn cut_power(&self) -> Fallible<()> {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&self.mounted))?;
        run(Command::new("umount").arg(&self.mounted))?;
        self.mount()
    }

    fn mount(&self) -> Fallible<()> {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.mounted))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A process that has just exited may still hold it. A lazy unmount removes it with its last user.
        let _ = run(Command::new("umount").arg("--lazy").arg(&self.mounted));
    }
}

/// Runs a tool to completion.
fn run(command: &mut Command) -> Fallible<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    Err(format!("{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()).into())
}
