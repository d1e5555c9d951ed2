use super::sync_pool::UnderWay;
use super::*;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

#[test]
fn only_regular_files_are_read_and_nothing_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let fifo = path("fifo");
    rustix::fs::mknodat(CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let socket = path("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for odd in [fifo.as_path(), &socket, folder.path(), Path::new("/dev/zero")] {
        let error = OsFileSystem.read(odd, 100).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", odd.display());
    }
    assert!(OsFileSystem.open_to_append(&fifo).is_err());
    std::fs::write(path("file"), "content").unwrap();
    symlink("file", path("link")).unwrap();
    let (bytes, stamp) = OsFileSystem.read(&path("link"), 7).unwrap();
    assert_eq!((&bytes[..], stamp.size, stamp.kind), (&b"content"[..], 7, FileKind::File));
    assert_eq!(OsFileSystem.read(&path("file"), 6).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(OsFileSystem.link_stamp(&path("link")).unwrap().kind, FileKind::Link);
}

#[test]
fn a_new_file_has_the_mode_that_was_asked_for_and_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new");
    let file = OsFileSystem.create_file(&path, 0o666).unwrap();
    assert_eq!(OsFileSystem.file_stamp(&file).unwrap().mode, 0o666);
    assert_eq!(OsFileSystem.create_file(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    symlink("nowhere", folder.path().join("link")).unwrap();
    let error = OsFileSystem.create_file(&folder.path().join("link"), 0o600).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
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

#[test]
fn a_time_before_1970_works() {
    assert_eq!(moment(-1, 500_000_000), SystemTime::UNIX_EPOCH - Duration::from_millis(500));
    assert_eq!(moment(1, 5), SystemTime::UNIX_EPOCH + Duration::new(1, 5));
    assert_eq!(moment(i64::MIN, 0), moment(i64::MIN, 0));
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
