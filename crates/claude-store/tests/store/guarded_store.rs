//! A file that the client may leave for another store.

use claude_store::{
    AnyStore, ErrorKind, FileStore, GuardedStore, OsSecurity, ReadError, StorageFolder, Store,
};
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::LocalSet;
use virtual_disk::VirtualDisk;

const PATH: &str = "/home/u/.claude/.credentials.json";

#[test]
fn the_file_is_read_only_while_the_client_uses_it_and_a_new_token_is_still_written() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let disk = VirtualDisk::new();
        disk.put(PATH, "{}");
        let file = FileStore::new(disk.process(), StorageFolder::at("/home/u/.claude", Path::new("/home/u")));
        let elsewhere = Rc::new(Cell::new(false));
        let asked = Rc::clone(&elsewhere);
        let guard = Box::new(move || asked.get().then(|| "it is in the vault".to_owned()));
        let store: AnyStore<_, OsSecurity> = AnyStore::Guarded(Box::new(GuardedStore::new(file, guard)));
        let read = store.read().await.unwrap();
        assert_eq!(read.bytes(), b"{}");
        store.reserve(100).await.unwrap();

        elsewhere.set(true);
        let refused = store.read().await.unwrap_err();
        assert!(matches!(refused, ReadError::Unused { .. }) && refused.kind() == ErrorKind::NeedsPerson);
        assert_eq!(refused.to_string(), format!("{PATH} is not used: it is in the vault"));
        assert!(store.version().await.is_err());
        assert!(store.reserve(100).await.is_err(), "no request is made whose answer could not be saved");

        // The request was on its way.
        let staged = store.stage(br#"{"new":1}"#).await.unwrap();
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        let _ = store.publish(&lock, &read, staged).await.unwrap();
        lock.release().unwrap();
        elsewhere.set(false);
        assert_eq!(store.read().await.unwrap().bytes(), br#"{"new":1}"#);
    });
}
