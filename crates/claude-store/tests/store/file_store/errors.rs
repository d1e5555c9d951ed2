//! What cannot be read or written, and how the error says so.

use super::*;

/// What a test does to the disk first.
type SetUp<'a> = &'a dyn Fn(&VirtualDisk);

/// Asserts that the error names the path and is of this kind.
fn check(error: &(impl std::error::Error + 'static), kind: ErrorKind, actual: ErrorKind, says: &str) {
    let text = error.to_string().replace('\\', "/");
    assert_eq!(actual, kind, "{text}");
    assert!(text.contains("/home/u") && text.contains(says), "{text}");
}

#[test]
fn each_read_failure_has_its_own_message() {
    run(async {
        let set_ups: [(SetUp<'_>, ErrorKind, &str); 7] = [
            (&|disk| disk.take_away(PATH), ErrorKind::Absent, "does not exist yet"),
            (&|disk| disk.take_away("/home"), ErrorKind::Absent, "does not exist yet"),
            (
                &|disk| {
                    disk.take_away(PATH);
                    disk.put_link(PATH, "/nowhere/x");
                },
                ErrorKind::NeedsPerson,
                "is a link to a missing file",
            ),
            (
                &|disk| {
                    disk.take_away(PATH);
                    disk.put_folder(PATH);
                },
                ErrorKind::NeedsPerson,
                "not a regular file",
            ),
            (
                &|disk| {
                    disk.take_away(PATH);
                    disk.put_fifo(PATH);
                },
                ErrorKind::NeedsPerson,
                "not a regular file",
            ),
            (&|disk| disk.put(PATH, vec![b' '; 50 << 20]), ErrorKind::NeedsPerson, "exceeds 32 MiB"),
            (
                &|disk| {
                    disk.chown(PATH, 0);
                    disk.chmod(PATH, 0o600);
                },
                ErrorKind::NeedsPerson,
                "owner 0 and mode 0600",
            ),
        ];
        for (set_up, kind, says) in set_ups {
            let (disk, store) = with_document();
            set_up(&disk);
            let error = store.read().await.unwrap_err();
            check(&error, kind, error.kind(), says);
            let error = store.reserve(100).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
    });
}

#[test]
fn obstacles_to_a_write_are_found_before_the_request() {
    run(async {
        let set_ups: [(SetUp<'_>, &str); 7] = [
            (&|disk| disk.set_read_only(true), "read-only file system"),
            (&|disk| disk.set_free(Some(99)), "quota is full"),
            (&|disk| disk.chmod(FOLDER, 0o500), "permission denied"),
            (&|disk| disk.chown(PATH, 0), "belongs to user 0, but this process runs as user 1000"),
            (&|disk| disk.set_obstacle(PATH, Some(Obstacle::MountPoint)), "is itself a mount point"),
            (
                &|disk| disk.set_obstacle(PATH, Some(Obstacle::Immutable)),
                "immutable, append-only or read-only and cannot be replaced; type: ",
            ),
            (
                &|disk| disk.set_obstacle(FOLDER, Some(Obstacle::Immutable)),
                "immutable, append-only or read-only",
            ),
        ];
        for (set_up, says) in set_ups {
            for reserved_before in [false, true] {
                let (disk, store) = with_document();
                disk.chmod(PATH, 0o644);
                if reserved_before {
                    store.reserve(50).await.unwrap();
                }
                set_up(&disk);
                let error = store.reserve(10_000).await.unwrap_err();
                check(&error, ErrorKind::NeedsPerson, error.kind(), says);
                assert_eq!(disk.text(PATH).unwrap(), OLD);
            }
        }
    });
}

#[test]
fn a_bind_mount_made_after_the_check_is_explained_all_the_same() {
    run(async {
        let (disk, store) = with_document();
        let read = store.read().await.unwrap();
        let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
        disk.set_obstacle(PATH, Some(Obstacle::MountPoint));
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        let error = store.publish(&lock, &read, staged).await.unwrap_err();
        assert!(matches!(error, WriteError::MountPoint { .. }), "{error}");
    });
}
