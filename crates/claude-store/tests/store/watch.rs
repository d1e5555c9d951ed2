//! Watching real folders. What should be reported is waited for; what should not be is given a moment of silence.

#[cfg(unix)]
mod links;

use claude_store::{FolderWatch, News, StorageFolder};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How long silence has to last to be silence; an event takes less than a millisecond.
const SILENCE: Duration = Duration::from_millis(60);

/// Longer than any event takes; only a failing test waits for it.
const LIMIT: Duration = Duration::from_secs(10);

struct Place {
    _root: TempDir,
    storage: PathBuf,
    folder: StorageFolder,
}

fn place() -> Place {
    let root = TempDir::new().unwrap();
    let home = root.path().canonicalize().unwrap();
    let storage = home.join("a/.claude");
    Place { folder: StorageFolder::at(&storage, &home), storage, _root: root }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
}

/// Waits for a report, then for all further ones of what has been done until now.
async fn reported(watch: &mut FolderWatch) {
    tokio::time::timeout(LIMIT, watch.changed()).await.expect("a change is reported").unwrap();
    while tokio::time::timeout(SILENCE, watch.changed()).await.is_ok() {}
}

/// Asserts that what `deed` does is no news.
async fn unreported(watch: &mut FolderWatch, deed: impl FnOnce()) {
    deed();
    let news = tokio::time::timeout(SILENCE, watch.changed()).await;
    assert!(news.is_err(), "it was reported");
}

fn write_by_rename(path: &Path, text: &str) {
    let temporary = path.with_file_name(".credentials.json.tmp.0123abcd");
    fs::write(&temporary, text).unwrap();
    fs::rename(&temporary, path).unwrap();
}

#[test]
fn every_kind_of_write_is_reported_each_time() {
    run(async {
        let place = place();
        fs::create_dir_all(&place.storage).unwrap();
        fs::create_dir_all(place.folder.config_folder()).unwrap();
        let mut watch = FolderWatch::new(&place.folder).unwrap();
        let file = place.folder.credentials_path();
        for round in 0..3 {
            write_by_rename(&file, &round.to_string());
            reported(&mut watch).await;
            fs::write(&file, "in place").unwrap();
            reported(&mut watch).await;
        }
        fs::remove_file(&file).unwrap();
        reported(&mut watch).await;
        // In the client's own folder, which need not be that of the document.
        fs::write(place.folder.needs_auth_path(), "{}").unwrap();
        reported(&mut watch).await;
    });
}

#[test]
fn changes_between_calls_are_reported() {
    run(async {
        let place = place();
        fs::create_dir_all(&place.storage).unwrap();
        let mut watch = FolderWatch::new(&place.folder).unwrap();
        fs::write(place.folder.credentials_path(), "1").unwrap();
        drop(tokio::time::timeout(Duration::ZERO, watch.changed()).await);
        fs::write(place.folder.credentials_path(), "2").unwrap();
        reported(&mut watch).await;
    });
}

#[test]
fn reads_locks_temporary_files_and_strangers_are_no_news() {
    run(async {
        let place = place();
        fs::create_dir_all(&place.storage).unwrap();
        let file = place.folder.credentials_path();
        fs::write(&file, "{}").unwrap();
        let mut watch = FolderWatch::new(&place.folder).unwrap();
        let name = |name: &str| place.storage.join(name);
        unreported(&mut watch, || drop(fs::read(&file).unwrap())).await;
        unreported(&mut watch, || fs::create_dir(name(".storage-write.lock")).unwrap()).await;
        unreported(&mut watch, || fs::remove_dir(name(".storage-write.lock")).unwrap()).await;
        unreported(&mut watch, || fs::create_dir(name("mcp-refresh-lab_00.lock.lock")).unwrap()).await;
        unreported(&mut watch, || {
            fs::write(name(".credentials.json.tmp.mcp-refreshd-00000000"), "x").unwrap()
        })
        .await;
        unreported(&mut watch, || fs::write(name("history.jsonl"), "x").unwrap()).await;
        unreported(&mut watch, || assert!(fs::read_dir(&place.storage).unwrap().count() > 0)).await;
        fs::write(&file, "news").unwrap();
        reported(&mut watch).await;
    });
}

#[test]
fn a_missing_folder_is_watched_for_however_many_levels_are_missing() {
    run(async {
        let place = place();
        let mut watch = FolderWatch::new(&place.folder).unwrap();
        let above = place.storage.parent().unwrap().to_owned();
        unreported(&mut watch, || fs::write(above.with_file_name("stranger"), "x").unwrap()).await;
        unreported(&mut watch, || fs::create_dir(&above).unwrap()).await;
        unreported(&mut watch, || fs::write(above.join("stranger"), "x").unwrap()).await;
        fs::create_dir(&place.storage).unwrap();
        reported(&mut watch).await;
        fs::write(place.folder.credentials_path(), "{}").unwrap();
        reported(&mut watch).await;
    });
}

#[cfg(unix)] // Wine 8 removes a folder that somebody has open, as the watcher has, only when it is closed.
#[test]
fn a_folder_that_is_removed_is_watched_again() {
    run(async {
        let place = place();
        fs::create_dir_all(&place.storage).unwrap();
        let mut watch = FolderWatch::new(&place.folder).unwrap();
        fs::remove_dir(&place.storage).unwrap();
        reported(&mut watch).await;
        fs::create_dir(&place.storage).unwrap();
        reported(&mut watch).await;
        fs::write(place.folder.credentials_path(), "1").unwrap();
        reported(&mut watch).await;
    });
}

#[test]
fn a_folder_that_is_replaced_is_watched_again() {
    run(async {
        let place = place();
        fs::create_dir_all(&place.storage).unwrap();
        let mut watch = FolderWatch::new(&place.folder).unwrap();
        fs::write(place.folder.credentials_path(), "1").unwrap();
        reported(&mut watch).await;
        fs::rename(&place.storage, place.storage.with_file_name("old")).unwrap();
        fs::create_dir(&place.storage).unwrap();
        reported(&mut watch).await;
        fs::write(place.folder.credentials_path(), "2").unwrap();
        reported(&mut watch).await;
    });
}

#[test]
fn a_session_that_begins_is_reported_and_what_it_does_later_is_not() {
    run(async {
        let place = place();
        let session = place.folder.config_folder().join("sessions/4761.json");
        fs::create_dir_all(&place.storage).unwrap();
        let mut watch = FolderWatch::new(&place.folder).unwrap();
        fs::create_dir_all(session.parent().unwrap()).unwrap();
        reported(&mut watch).await;
        fs::write(&session, "{}").unwrap();
        let change = tokio::time::timeout(LIMIT, watch.changed()).await.unwrap().unwrap();
        assert_eq!(change, News::Session);
        unreported(&mut watch, || fs::write(&session, "{\"status\":\"busy\"}").unwrap()).await;
        unreported(&mut watch, || fs::write(session.with_extension("key"), "").unwrap()).await;
        unreported(&mut watch, || fs::remove_file(&session).unwrap()).await;
        // The document changed as well, and nobody has listened meanwhile: both are told, the session first.
        write_by_rename(&place.folder.credentials_path(), "{}");
        fs::write(&session, "{}").unwrap();
        tokio::time::sleep(SILENCE).await;
        for expected in [News::Session, News::Any] {
            assert_eq!(watch.changed().await.unwrap(), expected);
        }
    });
}
