//! What only Unix has: FIFOs, sockets in folders, modes, and links that anybody may make.

use super::*;
use rustix::fs::{CWD, Mode};
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
