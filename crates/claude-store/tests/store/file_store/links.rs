//! Links, whose targets are paths of Unix, and modes. On Windows a link takes a right of its own to be made.

use super::*;

#[test]
fn links_are_written_through_and_stay() {
    run(async {
        let (disk, store) = with_document();
        disk.take_away(PATH);
        disk.put("/data/secrets/claude.json", OLD);
        disk.put_link("/data/link", "secrets/claude.json");
        disk.put_link(PATH, "/data/link");
        assert_eq!(write(&store, "at_2").await.unwrap(), Published::Swapped);
        assert_eq!(disk.text("/data/secrets/claude.json").unwrap(), new("at_2"));
        assert_eq!(disk.names_in("/data/secrets"), ["claude.json"]);
        assert_eq!(disk.resolve(Path::new(PATH)).unwrap(), Path::new("/data/secrets/claude.json"));
    });
}

#[test]
fn a_link_with_a_new_target_is_a_change() {
    run(async {
        let (disk, store) = with_document();
        disk.take_away(PATH);
        disk.put("/data/a.json", OLD);
        disk.put("/data/b.json", OLD);
        disk.put_link(PATH, "/data/a.json");
        let read = store.read().await.unwrap();
        let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
        disk.take_away(PATH);
        disk.put_link(PATH, "/data/b.json");
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        assert_eq!(store.publish(&lock, &read, staged).await.unwrap(), Published::Changed);
        assert_eq!(disk.text("/data/a.json").unwrap(), OLD);
    });
}

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
