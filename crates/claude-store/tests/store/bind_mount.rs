//! A real file that is a mount point of its own, in a mount namespace.

use claude_store::{FileStore, OsFileSystem, StorageFolder, Store, WriteError};
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "CLAUDE_STORE_TEST_FOLDER";

#[test]
fn a_bind_mounted_document_is_found_before_the_request() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".credentials.json"), "{}").unwrap();
    let namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-Urm", "sh", "-c", script]).env(FOLDER, folder.path());
        command.arg(std::env::current_exe().unwrap());
        command.output()
    };
    let mount = r#"cd "$CLAUDE_STORE_TEST_FOLDER" && mount --bind .credentials.json .credentials.json"#;
    match namespace(mount) {
        Ok(output) if output.status.success() => {}
        refused => return eprintln!("skipped: no mount namespace can be made here: {refused:?}"),
    }
    let output = namespace(&format!(r#"{mount} && exec "$0" --exact bind_mount::inside --ignored"#)).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
#[ignore = "started by the test above, in its mount namespace"]
fn inside() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let store = FileStore::new(OsFileSystem, StorageFolder::at(folder, Path::new("/")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let error = runtime.block_on(store.reserve(100)).unwrap_err();
    assert!(matches!(error, WriteError::MountPoint { .. }), "{error}");
}
