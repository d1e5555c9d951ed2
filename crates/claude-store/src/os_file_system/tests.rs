use super::sync_pool::UnderWay;
use super::*;
use crate::FileKind;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[test]
fn only_files_are_read_and_only_up_to_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "content").unwrap();
    let (bytes, stamp) = OsFileSystem.read(&path, 7).unwrap();
    assert_eq!((&bytes[..], stamp.size, stamp.kind), (&b"content"[..], 7, FileKind::File));
    assert_eq!(OsFileSystem.read(&path, 6).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert!(OsFileSystem.read(folder.path(), 100).is_err());
    assert_eq!(OsFileSystem.create_file(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn reserving_room_does_not_change_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let file = OsFileSystem.create_file(&folder.path().join("f"), 0o600).unwrap();
    match OsFileSystem.reserve(&file, 100_000) {
        Ok(()) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
    }
    assert_eq!(OsFileSystem.file_stamp(&file).unwrap().size, 0);
    OsFileSystem.append(&file, b"abc").unwrap();
    OsFileSystem.truncate(&file, 2).unwrap();
    OsFileSystem.append(&file, b"d").unwrap();
    assert_eq!(std::fs::read(folder.path().join("f")).unwrap(), b"abd");
}

#[test]
fn an_exclusive_rename_replaces_not_even_an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    OsFileSystem.create_folder(&a, 0o700).unwrap();
    OsFileSystem.create_folder(&b, 0o700).unwrap();
    assert_eq!(OsFileSystem.rename_exclusive(&a, &b).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    OsFileSystem.remove_folder(&b).unwrap();
    let before = OsFileSystem.link_stamp(&a).unwrap();
    OsFileSystem.rename_exclusive(&a, &b).unwrap();
    assert_eq!(OsFileSystem.link_stamp(&b).unwrap().identity(), before.identity());
    assert_eq!(OsFileSystem.rename_exclusive(&a, &b).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_sync_works_with_any_executor_and_leaves_no_thread_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let file = OsFileSystem.create_file(&folder.path().join("f"), 0o600).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(OsFileSystem.sync(&file)).unwrap();
    runtime.block_on(OsFileSystem.sync_folder(folder.path())).unwrap();
    let error = runtime.block_on(OsFileSystem.sync_folder(&folder.path().join("missing"))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn an_ordinary_file_has_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    std::fs::write(&path, "").unwrap();
    assert_eq!(OsFileSystem.obstacle(&path).unwrap(), None);
    assert_eq!(OsFileSystem.obstacle(folder.path()).unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn calm_is_when_the_last_sync_has_ended_or_after_its_patience() {
    let (one, other) = (UnderWay::begin(), UnderWay::begin());
    let began = tokio::time::Instant::now();
    OsFileSystem.calm().await;
    assert_eq!(began.elapsed(), CALM_PATIENCE);
    drop(one);
    let mut calm = std::pin::pin!(OsFileSystem.calm());
    let early = Duration::from_millis(20);
    assert!(tokio::time::timeout(early, &mut calm).await.is_err());
    drop(other);
    assert!(tokio::time::timeout(early, &mut calm).await.is_ok());
}
