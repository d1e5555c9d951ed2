//! The disk in memory answers as a real one does.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets anything unexpected should end"
)]

use claude_store::{FileSystem, OsFileSystem};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use virtual_disk::VirtualDisk;

/// A call, about paths below a common root.
#[derive(Clone, Debug)]
enum Deed {
    CreateFolder(&'static str),
    RemoveFolder(&'static str),
    CreateFile(&'static str),
    RemoveFile(&'static str),
    Append(&'static str),
    Truncate(&'static str, u64),
    Reserve(&'static str, u64),
    Rename(&'static str, &'static str),
    RenameExclusive(&'static str, &'static str),
    Read(&'static str),
    Look(&'static str),
    Resolve(&'static str),
    List(&'static str),
}

/// Among them a link to a file, one to a folder, one to nothing and one to itself.
const PATHS: [&str; 12] =
    ["a", "b", "d", "d/a", "d/e", "d/e/f", "to-a", "to-d", "to-d/a", "to-nothing", "to-itself", "a/below"];

fn path() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&PATHS[..])
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        path().prop_map(Deed::CreateFolder),
        path().prop_map(Deed::RemoveFolder),
        path().prop_map(Deed::CreateFile),
        path().prop_map(Deed::RemoveFile),
        path().prop_map(Deed::Append),
        (path(), 0_u64..20).prop_map(|(path, len)| Deed::Truncate(path, len)),
        (path(), 1_u64..20).prop_map(|(path, len)| Deed::Reserve(path, len)),
        (path(), path()).prop_map(|(from, to)| Deed::Rename(from, to)),
        (path(), path()).prop_map(|(from, to)| Deed::RenameExclusive(from, to)),
        path().prop_map(Deed::Read),
        path().prop_map(Deed::Look),
        path().prop_map(Deed::Resolve),
        path().prop_map(Deed::List),
    ]
}

/// What a call said, in words that do not name the disk.
fn answer<F: FileSystem>(files: &F, root: &Path, deed: &Deed) -> Result<String, String> {
    let at = |path: &str| root.join(path);
    let said: io::Result<String> = match deed {
        Deed::CreateFolder(path) => files.create_folder(&at(path), 0o700).map(|()| String::new()),
        Deed::RemoveFolder(path) => files.remove_folder(&at(path)).map(|()| String::new()),
        Deed::CreateFile(path) => files.create_file(&at(path), 0o640).map(|_| String::new()),
        Deed::RemoveFile(path) => files.remove_file(&at(path)).map(|()| String::new()),
        Deed::Append(path) => files
            .open_to_append(&at(path))
            .and_then(|file| files.append(&file, b"more"))
            .map(|()| String::new()),
        Deed::Truncate(path, len) => files
            .open_to_append(&at(path))
            .and_then(|file| files.truncate(&file, *len))
            .map(|()| String::new()),
        Deed::Reserve(path, len) => files
            .open_to_append(&at(path))
            .and_then(|file| files.reserve(&file, *len))
            .map(|()| String::new()),
        Deed::Rename(from, to) => files.rename(&at(from), &at(to)).map(|()| String::new()),
        Deed::RenameExclusive(from, to) => files.rename_exclusive(&at(from), &at(to)).map(|()| String::new()),
        Deed::Read(path) => files.read(&at(path), 30).map(|(bytes, _)| format!("{:?}", &bytes[..])),
        Deed::Look(path) => {
            files.link_stamp(&at(path)).map(|stamp| format!("{:?} {:o}", stamp.kind, stamp.mode))
        }
        Deed::Resolve(path) => {
            files.resolve(&at(path)).map(|path| path.strip_prefix(root).unwrap().display().to_string())
        }
        Deed::List(path) => files.list(&at(path)).map(|mut names| {
            names.sort();
            format!("{names:?}")
        }),
    };
    // A few errors have no kind that could be named.
    said.map_err(|error| match error.raw_os_error() {
        Some(40) => "too many links".to_owned(),
        _ => format!("{:?}", error.kind()),
    })
}

fn content<F: FileSystem>(files: &F, root: &Path) -> BTreeMap<PathBuf, Result<String, String>> {
    let mut all = BTreeMap::new();
    for path in PATHS {
        all.insert(path.into(), answer(files, root, &Deed::Look(path)));
        all.insert(format!("{path} read").into(), answer(files, root, &Deed::Read(path)));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_row_of_calls_is_answered_as_linux_answers_it(deeds in proptest::collection::vec(deed(), 1..40)) {
        let real = tempfile::tempdir().unwrap();
        let (root, virtual_root) = (real.path().canonicalize().unwrap(), Path::new("/root"));
        let disk = VirtualDisk::new();
        disk.set_user(OsFileSystem.user());
        disk.put_folder(virtual_root);
        for (link, target) in [("to-a", "a"), ("to-d", "d"), ("to-nothing", "nothing/x"), ("to-itself", "to-itself")] {
            std::os::unix::fs::symlink(target, root.join(link)).unwrap();
            disk.put_link(virtual_root.join(link), target);
        }
        for (number, deed) in deeds.iter().enumerate() {
            let expected = answer(&OsFileSystem, &root, deed);
            prop_assert_eq!(answer(&disk, virtual_root, deed), expected, "call {} of {:?}", number, deeds);
        }
        prop_assert_eq!(content(&disk, virtual_root), content(&OsFileSystem, &root));
    }
}
