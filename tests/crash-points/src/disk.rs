//! A small disk of its own whose power can be cut: a file system in a file, mounted by way of a loop device. Needs root.

use crate::Fallible;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A file system that keeps a log, and forgets at a power cut what was not synced.
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

    /// Bytes; the least that its maker takes. The file is sparse.
    fn size(self) -> u64 {
        match self {
            Self::Ext4 => 16 << 20,
            Self::Xfs => 300 << 20,
        }
    }
}

/// A mounted disk; unmounted and gone when it is dropped.
pub(crate) struct Disk {
    image: PathBuf,
    mounted: PathBuf,
    _folder: TempDir,
}

impl Disk {
    /// Makes a file system and mounts it.
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

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.mounted
    }

    /// Makes everything durable.
    pub(crate) fn sync(&self) -> Fallible<()> {
        rustix::fs::syncfs(File::open(&self.mounted)?)?;
        Ok(())
    }

    /// Lets it forget what was not synced, and mounts it again, as the next start of the machine does.
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
        // A process that just ended may hold it for a moment longer. Taken out of the tree it goes with its last user.
        let _ = run(Command::new("umount").arg("--lazy").arg(&self.mounted));
    }
}

/// Runs a tool to its end.
fn run(command: &mut Command) -> Fallible<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    Err(format!("{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()).into())
}
