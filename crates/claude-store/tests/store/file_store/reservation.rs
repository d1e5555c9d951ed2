//! Room for the next document, reserved before a request.

use super::*;

#[test]
fn reserved_room_is_there_when_the_disk_has_filled_up_meanwhile() {
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
fn a_staged_document_that_was_not_published_gives_its_room_to_the_next_try() {
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
fn after_a_write_room_is_reserved_anew_for_the_other_transactions() {
    run(async {
        let (disk, store) = with_document();
        store.reserve(5000).await.unwrap();
        store.reserve(300).await.unwrap();
        let read = store.read().await.unwrap();
        let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        let _ = store.publish(&lock, &read, staged).await.unwrap();
        store.settle().await.unwrap();
        disk.set_free(Some(0));
        let read = store.read().await.unwrap();
        drop(store.stage(&[b' '; 5000]).await.unwrap());
        drop(read);
    });
}

#[test]
fn where_room_cannot_be_reserved_a_full_disk_is_found_before_the_request_all_the_same() {
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
fn a_reservation_that_somebody_swept_away_is_made_again() {
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
