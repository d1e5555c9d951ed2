//! Everything that differs between operating systems, one file for each with the same names in it.

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "platform/linux.rs"]
mod system;

#[cfg(target_vendor = "apple")]
#[path = "platform/macos.rs"]
mod system;

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_vendor = "apple"))))]
#[path = "platform/other.rs"]
mod system;

#[cfg(windows)]
#[path = "platform/windows.rs"]
mod system;

#[cfg(unix)]
mod unix;

#[cfg(not(feature = "keyring"))]
#[path = "store/keyring_store/not_built.rs"]
pub(crate) mod keyring;

#[cfg(all(feature = "keyring", target_vendor = "apple"))]
#[path = "store/keyring_store/native.rs"]
pub(crate) mod keyring;

#[cfg(all(feature = "keyring", not(target_vendor = "apple")))]
#[path = "store/keyring_store/secret_service.rs"]
pub(crate) mod keyring;

pub use system::CLEAR_FLAGS;
pub(crate) use system::{
    CACHE_FOLDER, CACHE_VARIABLE, FOLDERS_REPORT_THEIR_END, LONGEST_ARGUMENT, MCP_LOGS,
    is_own_process_domain, is_running, obstacle, rename_exclusive, reserve, sync, watch_limit_advice,
};

#[cfg(windows)]
use system as family;
#[cfg(unix)]
use unix as family;

pub(crate) use family::{
    append, create_file, create_folder, file_stamp, is_descriptor_limit, link_stamp, may_read_again,
    may_write_again, move_away, open_to_append, open_to_read, rename, resolve, set_mode, stamp, sync_folder,
    take, touch, user, word,
};
