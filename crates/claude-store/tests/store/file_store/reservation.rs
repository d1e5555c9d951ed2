//! Room for the next document, reserved before a request.

use super::*;

#[test]
fn reserved_room_survives_a_full_disk() {
    run(async {
        let (disk, store) = with_document();
        store.reserve(5000).await.unwrap();
        disk.set_free(Some(0));
        let read = store.read().await.unwrap();
        let document = [spliced(&read, "at_2"), vec![b' '; 4000]].concat();
        let staged = store.stage(&document).await.unwrap();
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        assert_eq!(store.publish(&lock, &read, staged).await.unwrap(), Published::Swapped);
        assert_eq!(disk.bytes(PATH).unwrap(), document);
    });
}

#[test]
fn an_unpublished_document_returns_its_room_for_the_next_attempt() {
    run(async {
        let (disk, store) = with_document();
        store.reserve(5000).await.unwrap();
        disk.set_free(Some(0));
        for _ in 0..3 {
            let read = store.read().await.unwrap();
            drop(store.stage(&spliced(&read, "at_2")).await.unwrap());
        }
        assert_eq!(disk.names_in(FOLDER).len(), 2);
        store.release_reservation();
        assert_eq!(disk.names_in(FOLDER), [".credentials.json"]);
    });
}

#[test]
fn after_a_write_new_room_is_reserved_for_other_transactions() {
    run(async {
        let (disk, store) = with_document();
        store.reserve(5000).await.unwrap();
        store.reserve(300).await.unwrap();
        let read = store.read().await.unwrap();
        let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        let _ = store.publish(&lock, &read, staged).await.unwrap();
        store.settle().await.unwrap();
        store.refill_reservation();
        disk.set_free(Some(0));
        let read = store.read().await.unwrap();
        drop(store.stage(&[b' '; 5000]).await.unwrap());
        drop(read);
    });
}

#[test]
fn a_full_disk_is_found_before_the_request_even_without_reservation() {
    run(async {
        let (disk, store) = with_document();
        disk.set_can_reserve(false);
        disk.set_free(Some(20_000));
        store.reserve(19_000).await.unwrap();
        let error = store.reserve(21_000).await.unwrap_err();
        assert!(matches!(error, WriteError::NoRoom { .. }), "{error}");
        assert_eq!(write(&store, "at_2").await.unwrap(), Published::Swapped);
    });
}

#[test]
fn a_deleted_reservation_is_made_again() {
    run(async {
        let (disk, store) = with_document();
        for stage_directly in [false, true] {
            store.reserve(100).await.unwrap();
            for name in disk.names_in(FOLDER).iter().filter(|name| is_temporary(name)) {
                disk.take_away(Path::new(FOLDER).join(name));
            }
            if !stage_directly {
                store.reserve(100).await.unwrap();
            }
            let read = store.read().await.unwrap();
            let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
            let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
            assert_eq!(store.publish(&lock, &read, staged).await.unwrap(), Published::Swapped);
        }
    });
}
