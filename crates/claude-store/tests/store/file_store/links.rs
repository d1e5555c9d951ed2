//! Modes, and real links, which on Windows need a right of their own to be made.

use super::*;

#[test]
fn on_real_files_a_link_is_written_through_by_a_real_rename() {
    let home = tempfile::tempdir().unwrap();
    let storage = StorageFolder::at(home.path().join(".claude"), home.path());
    std::fs::create_dir_all(storage.path()).unwrap();
    std::fs::create_dir(home.path().join("data")).unwrap();
    let target = home.path().join("data/creds.json");
    std::fs::write(&target, OLD).unwrap();
    std::os::unix::fs::symlink("../data/creds.json", storage.credentials_path()).unwrap();
    replace_on_real_files(&storage);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), new("at_19"));
    assert!(storage.credentials_path().symlink_metadata().unwrap().is_symlink());
    let mode = std::os::unix::fs::PermissionsExt::mode(&target.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(home.path().join("data")).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(storage.path()).unwrap().count(), 1);
}
