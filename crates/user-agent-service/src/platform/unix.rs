use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

/// The permission bits of a file.
pub(crate) fn mode_of(metadata: &Metadata) -> u32 {
    metadata.permissions().mode()
}

pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}
