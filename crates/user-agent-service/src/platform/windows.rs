use std::fs::{File, Metadata};
use std::io;

/// Modes do not exist here.
pub(crate) fn mode_of(_metadata: &Metadata) -> u32 {
    0o600
}

/// The access list is the one that the folder hands down.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}
