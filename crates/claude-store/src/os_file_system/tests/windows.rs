//! Files as Windows has them: with attributes, with an index, and held open by others.

use super::*;
use std::os::windows::fs::OpenOptionsExt;

/// Held open and shared with nobody.
fn hold(path: &Path) -> File {
    File::options().read(true).share_mode(0).open(path).unwrap()
}

#[test]
fn a_file_that_another_program_holds_open_is_waited_for_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (folder.path().join("file"), folder.path().join("new"));
    std::fs::write(&path, "old").unwrap();
    std::fs::write(&new, "new").unwrap();
    let held = hold(&path);
    assert!(OsFileSystem.read(&path, 100).is_err());
    let error = OsFileSystem.rename(&new, &path).unwrap_err();
    assert_eq!(OsFileSystem.obstacle(&path).unwrap(), None, "{error}");
    let release = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        drop(held);
    });
    OsFileSystem.rename(&new, &path).unwrap();
    release.join().unwrap();
    assert_eq!(&OsFileSystem.read(&path, 100).unwrap().0[..], b"new");
}

/// Windows replaces it, Wine 8 does not.
#[test]
fn a_file_that_another_program_reads_is_replaced_now_or_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (folder.path().join("file"), folder.path().join("new"));
    std::fs::write(&path, "old").unwrap();
    std::fs::write(&new, "new").unwrap();
    // As the standard libraries of Rust and of JavaScript open it: shared for everything.
    let mut reader = File::open(&path).unwrap();
    let replaced = OsFileSystem.rename(&new, &path).is_ok();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old");
    drop(reader);
    if !replaced {
        OsFileSystem.rename(&new, &path).unwrap();
    }
    assert_eq!(&OsFileSystem.read(&path, 100).unwrap().0[..], b"new");
}

#[test]
fn the_attribute_read_only_is_an_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    let mut permissions = path.metadata().unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions.clone()).unwrap();
    assert_eq!(OsFileSystem.obstacle(&path).unwrap(), Some(Obstacle::Immutable));
    // Windows would refuse to replace it, Wine 8 would not: nobody tries.
    permissions.set_readonly(false);
    std::fs::set_permissions(&path, permissions).unwrap();
    assert_eq!(OsFileSystem.obstacle(&path).unwrap(), None);
}

#[test]
fn a_replaced_file_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (folder.path().join("file"), folder.path().join("new"));
    std::fs::write(&path, "same").unwrap();
    std::fs::write(&new, "same").unwrap();
    let (old, coming) = (OsFileSystem.stamp(&path).unwrap(), OsFileSystem.stamp(&new).unwrap());
    assert_ne!(old.identity(), coming.identity());
    OsFileSystem.rename(&new, &path).unwrap();
    assert_eq!(OsFileSystem.stamp(&path).unwrap().identity(), coming.identity());
    let (_, read) = OsFileSystem.read(&path, 100).unwrap();
    assert_eq!(read.identity(), coming.identity());
}

#[test]
fn a_lock_folder_is_dated_and_stays_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lab.lock");
    OsFileSystem.create_folder(&lock, 0o700).unwrap();
    let before = OsFileSystem.link_stamp(&lock).unwrap();
    platform::touch(&lock, SystemTime::now() - Duration::from_secs(3600)).unwrap();
    let old = OsFileSystem.link_stamp(&lock).unwrap();
    OsFileSystem.touch(&lock).unwrap();
    let after = OsFileSystem.link_stamp(&lock).unwrap();
    assert_eq!((before.kind, after.kind), (FileKind::Folder, FileKind::Folder));
    assert_eq!((before.identity(), before.identity()), (old.identity(), after.identity()));
    assert!(before.modified.duration_since(old.modified).unwrap() > Duration::from_secs(3500));
    assert!(after.modified >= before.modified);
    assert_eq!(OsFileSystem.create_folder(&lock, 0o700).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn a_path_of_more_than_260_characters_works_throughout() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("f".repeat(120)).join("g".repeat(120));
    // The standard library itself makes them, by their verbatim form.
    std::fs::create_dir_all(&folder).unwrap();
    let (path, new) = (folder.join("file"), folder.join("new"));
    assert!(path.as_os_str().len() > 260);
    let file = OsFileSystem.create_file(&new, 0o600).unwrap();
    OsFileSystem.append(&file, b"content").unwrap();
    platform::sync(&file).unwrap();
    drop(file);
    OsFileSystem.rename(&new, &path).unwrap();
    assert_eq!(OsFileSystem.stamp(&path).unwrap().size, 7);
    assert_eq!(OsFileSystem.link_stamp(&path).unwrap().kind, FileKind::File);
    assert_eq!(OsFileSystem.obstacle(&path).unwrap(), None);
    OsFileSystem.create_folder(&folder.join("lock"), 0o700).unwrap();
    OsFileSystem.touch(&folder.join("lock")).unwrap();
    OsFileSystem.remove_folder(&folder.join("lock")).unwrap();
    assert_eq!(OsFileSystem.list(&folder).unwrap(), ["file"]);
    assert_eq!(&OsFileSystem.read(&path, 100).unwrap().0[..], b"content");
    assert!(OsFileSystem.resolve(&path).unwrap().ends_with("file"));
}
