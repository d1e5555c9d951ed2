//! Failing calls, kills and power cuts.

use super::*;

#[test]
fn a_settled_document_survives_every_power_cut_and_an_unsettled_one_is_old_or_new() {
    run(async {
        let (disk, store) = with_document();
        let read = store.read().await.unwrap();
        let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        let _ = store.publish(&lock, &read, staged).await.unwrap();
        for cut in PowerCut::ALL {
            let text = disk.power_cut(cut).text(PATH).unwrap();
            assert!(text == OLD || text == new("at_2"), "{cut:?}: {text}");
        }
        store.settle().await.unwrap();
        for cut in PowerCut::ALL {
            assert_eq!(disk.power_cut(cut).text(PATH).unwrap(), new("at_2"), "{cut:?}");
        }
    });
}

#[test]
fn every_failing_call_leaves_the_old_document_or_the_new_one() {
    run(async {
        let mut failed = 0;
        for nth in 0.. {
            let disk = VirtualDisk::new();
            disk.put(PATH, OLD);
            let process = disk.process();
            let mut seen = 0;
            let (hit, count) = (Rc::new(std::cell::Cell::new(false)), nth);
            let told = Rc::clone(&hit);
            process.on_call(move |call| {
                seen += usize::from(call.operation.changes());
                let this = call.operation.changes() && seen == count + 1;
                told.set(told.get() || this);
                this.then(|| io::Error::other("made up"))
            });
            let result = write(&FileStore::new(process, folder()), "at_2").await;
            let text = disk.text(PATH).unwrap();
            assert!(text == OLD || text == new("at_2"), "{nth}: {text}");
            if !hit.get() {
                assert!(result.is_ok());
                break;
            }
            failed += 1;
        }
        assert!(failed >= 8, "{failed}");
    });
}

#[test]
fn a_kill_at_any_call_leaves_the_old_or_new_document_and_the_next_start_cleans_up() {
    run(async {
        for nth in 0..30 {
            let disk = VirtualDisk::new();
            disk.put(PATH, OLD);
            let process = disk.process();
            let (victim, mut seen) = (process.clone(), 0);
            process.on_call(move |_| {
                seen += 1;
                if seen == nth + 1 {
                    victim.kill();
                }
                None
            });
            let store = FileStore::new(process, folder());
            // Boxed, so that the guards in it are dropped by the dead process.
            let _ = tokio::task::spawn_local(async move {
                let result = store.reserve(100).await;
                if result.is_ok() {
                    let read = store
                        .read()
                        .await
                        .unwrap_or_else(|_| Snapshot::new(OLD.as_bytes().to_vec().into(), Version::Absent));
                    let staged = store.stage(&spliced(&read, "at_2")).await;
                    let lock = store.locks().storage_lock(Duration::ZERO).await;
                    if let (Ok(staged), Ok(lock)) = (staged, lock) {
                        let _ = store.publish(&lock, &read, staged).await;
                    }
                }
            })
            .await;
            let text = disk.text(PATH).unwrap();
            assert!(text == OLD || text == new("at_2"), "{nth}: {text}");
            let next = FileStore::new(disk.process(), folder());
            next.sweep().unwrap();
            assert!(!disk.names_in(FOLDER).iter().any(|name| is_temporary(name)), "{nth}");
        }
    });
}

#[test]
fn cleanup_removes_only_our_own_files() {
    run(async {
        let (disk, store) = with_document();
        let foreign = [
            ".credentials.json.tmp.1234abcd",
            ".credentials.json.tmp.mcp-refreshd-1234ABCD",
            ".credentials.json.tmp.mcp-refreshd-1234abcde",
            ".credentials.json.tmp.mcp-refreshd-",
            "x.credentials.json.tmp.mcp-refreshd-1234abcd",
        ];
        let ours = [
            ".credentials.json.tmp.mcp-refreshd-1234abcd",
            ".mcp-needs-auth-cache.json.tmp.mcp-refreshd-00000000",
        ];
        for name in foreign.iter().chain(&ours) {
            disk.put(Path::new(FOLDER).join(name), "");
        }
        store.reserve(100).await.unwrap();
        assert_eq!(store.sweep().unwrap(), 2);
        for name in foreign {
            assert!(disk.exists(Path::new(FOLDER).join(name)), "{name}");
        }
        assert_eq!(disk.names_in(FOLDER).len(), foreign.len() + 2);
        assert_eq!(
            FileStore::new(disk.process(), StorageFolder::at("/missing", Path::new("/"))).sweep().unwrap(),
            0
        );
    });
}
