//! The records' file: small writes, and nothing that was saved is lost.

use crate::world::STATE;
use claude_store::EntryKey;
use refresh_engine::Records;
use std::cell::Cell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use virtual_disk::{Operation, PowerCut, VirtualDisk};

const STORE: &str = "/home/u/.claude/.credentials.json";

/// With about so many bytes the file is written anew, and a line has no more than these.
const FULL: usize = 64 * 1024;
const LINE: usize = 1024;

fn disk() -> VirtualDisk {
    let disk = VirtualDisk::new();
    disk.put_folder(STATE);
    disk
}

fn load(disk: &VirtualDisk) -> Records<VirtualDisk> {
    let (records, trouble) = Records::load(disk.clone(), Path::new(STATE)).unwrap();
    assert_eq!(trouble, None);
    records
}

fn key(number: u32) -> EntryKey {
    EntryKey::new(format!("lab-{number}|6f671eeac57e3e15"))
}

fn set(records: &Records<VirtualDisk>, entry: u32, failures: u32) {
    records.change(STORE, &key(entry), |record| record.failures = failures);
}

fn failures(records: &Records<VirtualDisk>, entry: u32) -> u32 {
    records.read(STORE, &key(entry), |record| record.failures)
}

fn size(disk: &VirtualDisk) -> usize {
    disk.bytes(Path::new(STATE).join("records.jsonl")).map_or(0, |bytes| bytes.len())
}

#[tokio::test(start_paused = true)]
async fn a_change_writes_the_same_amount_for_any_number_of_entries() {
    let mut written = Vec::new();
    for entries in [1, 200] {
        let disk = disk();
        let records = load(&disk);
        (0..entries).for_each(|entry| set(&records, entry, 1));
        records.save().await.unwrap();
        let before = disk.bytes_written();
        for failures in 2..1002 {
            set(&records, 0, failures);
            records.save().await.unwrap();
        }
        written.push((disk.bytes_written() - before) / 1000);
    }
    // The file of 200 is written anew now and then.
    assert!(written[1] < 2 * written[0] + 100, "bytes a change: {written:?}");
}

#[tokio::test(start_paused = true)]
async fn the_file_stays_small_after_any_number_of_changes() {
    let disk = disk();
    let records = load(&disk);
    for failures in 0..2000 {
        set(&records, failures % 3, failures);
        records.save().await.unwrap();
        assert!(size(&disk) < 80 * 1024, "{} bytes", size(&disk));
    }
    assert_eq!(failures(&load(&disk), 0), 1998);
}

#[tokio::test(start_paused = true)]
async fn a_save_survives_a_kill_or_power_cut_during_the_next_one() {
    for cut in [None].into_iter().chain(PowerCut::ALL.map(Some)) {
        for point in 1.. {
            let disk = disk();
            let process = disk.process();
            let records = load(&process);
            // Until the next writes it anew.
            let mut before = 0;
            while size(&disk) + 3 * LINE < FULL {
                before += 1;
                set(&records, before % 7, before);
                records.save().await.unwrap();
            }
            let (calls, renames) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            process.on_call({
                let (calls, renames, dying) = (Rc::clone(&calls), Rc::clone(&renames), process.clone());
                move |call| {
                    renames.set(renames.get() + u32::from(call.operation == Operation::Rename));
                    calls.set(calls.get() + u32::from(call.operation.changes()));
                    if calls.get() == point {
                        dying.kill();
                    }
                    None
                }
            });
            let mut saved = before;
            for failures in before + 1..before + 20 {
                set(&records, failures % 7, failures);
                if records.save().await.is_err() {
                    break;
                }
                saved = failures;
            }
            let after = cut.map_or_else(|| disk.process(), |cut| disk.power_cut(cut));
            let records = load(&after);
            for number in (saved - 6)..=saved {
                let found = failures(&records, number % 7);
                assert!(
                    found == number || found == saved + 1,
                    "{cut:?} at call {point}: {found}, not {number}"
                );
            }
            set(&records, 1, 1000);
            records.save().await.unwrap();
            assert_eq!(failures(&load(&after), 1), 1000, "{cut:?} at call {point}");
            if calls.get() < point {
                assert_eq!((point > 40, renames.get()), (true, 1), "{point}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_call_the_next_save_writes_everything() {
    for operation in [Operation::Append, Operation::Sync, Operation::CreateFile, Operation::Rename] {
        let disk = disk();
        let records = load(&disk);
        set(&records, 1, 1);
        records.save().await.unwrap();
        set(&records, 2, 2);
        disk.on_call(move |call| {
            // Where appending is impossible it is written anew, which is what fails then.
            (call.operation == operation || call.operation == Operation::Append)
                .then(|| io::Error::from_raw_os_error(28))
        });
        records.save().await.unwrap_err();
        records.save().await.unwrap_err();
        assert!(records.unsaved());
        disk.no_hook();
        set(&records, 3, 3);
        records.save().await.unwrap();
        assert!(!records.unsaved());
        let found = load(&disk);
        assert_eq!([1, 2, 3].map(|entry| failures(&found, entry)), [1, 2, 3], "{operation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn saving_one_entry_leaves_the_others_for_later() {
    let disk = disk();
    let records = load(&disk);
    (1..4).for_each(|entry| set(&records, entry, 1));
    records.save().await.unwrap();
    (1..4).for_each(|entry| set(&records, entry, 2));
    records.save_entry(STORE, &key(2)).await.unwrap();
    assert_eq!([1, 2, 3].map(|entry| failures(&load(&disk), entry)), [1, 2, 1]);
    assert!(records.unsaved());
    let before = disk.bytes_written();
    records.save_entry(STORE, &key(2)).await.unwrap();
    assert_eq!(disk.bytes_written(), before, "it was saved already");
    // Together with one that wants all.
    set(&records, 2, 3);
    let first = key(1);
    let (one, all) = tokio::join!(records.save_entry(STORE, &first), records.save());
    assert!(one.is_ok() && all.is_ok() && !records.unsaved());
    assert_eq!([1, 2, 3].map(|entry| failures(&load(&disk), entry)), [2, 3, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_removed_or_modified_file_is_rewritten() {
    let disk = disk();
    let path = Path::new(STATE).join("records.jsonl");
    let records = load(&disk);
    set(&records, 1, 1);
    records.save().await.unwrap();
    for meddle in [
        (|disk, path| disk.take_away(path)) as fn(&VirtualDisk, &Path),
        |disk, path| disk.put(path, "{\"format_version\":2}\n"),
        |disk, path| {
            disk.take_away(path);
            disk.put(path, "something else\n");
        },
    ] {
        meddle(&disk, &path);
        set(&records, 2, failures(&records, 2) + 1);
        records.save().await.unwrap();
        let found = load(&disk);
        assert_eq!([1, 2].map(|entry| failures(&found, entry)), [1, failures(&records, 2)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_truncated_line_does_not_swallow_the_next_one() {
    let disk = disk();
    let path = Path::new(STATE).join("records.jsonl");
    let records = load(&disk);
    set(&records, 1, 1);
    set(&records, 2, 2);
    records.save().await.unwrap();
    let text = disk.text(&path).unwrap();
    disk.put(&path, &text[..text.len() - 9]);
    let records = load(&disk);
    set(&records, 3, 3);
    records.save().await.unwrap();
    assert_eq!([1, 2, 3].map(|entry| failures(&load(&disk), entry)), [1, 0, 3]);
}

#[tokio::test(start_paused = true)]
async fn invalid_lines_are_reported_and_the_others_kept() {
    let disk = disk();
    let path = Path::new(STATE).join("records.jsonl");
    let records = load(&disk);
    (0..3).for_each(|entry| set(&records, entry, 7));
    records.save().await.unwrap();
    let text = disk
        .text(&path)
        .unwrap()
        .replace("{\"store\":\"/home/u/.claude/.credentials.json\",\"key\":\"lab-1", "\0");
    disk.put(&path, text);
    let (records, trouble) = Records::load(disk.clone(), Path::new(STATE)).unwrap();
    let trouble = trouble.unwrap();
    assert!(trouble.contains("records.jsonl holds lines that could not be understood (1)"), "{trouble}");
    assert_eq!([0, 1, 2].map(|entry| failures(&records, entry)), [7, 0, 7]);
    set(&records, 0, 8);
    records.save().await.unwrap();
    assert_eq!([0, 1, 2].map(|entry| failures(&load(&disk), entry)), [8, 0, 7]);
}
