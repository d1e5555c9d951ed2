use crate::now_or_never::now_or_never;
use crate::plain;
use claude_store::EntryKey;
use oauth_secret::TokenDigest;
use refresh_engine::{Record, Records};
use std::path::Path;
use virtual_disk::VirtualDisk;

const FOLDER: &str = "/state";
/// The file, and what version 1 had in its place.
const FILES: [&str; 2] = ["/state/records.jsonl", "/state/state.json"];

/// What is remembered of entries, in the format of today and in that of version 1.
///
/// A file that cannot be understood is kept under another name, byte for byte, and reported; so are invalid lines; a newer version's
/// file is refused and left unchanged. The other records survive changing one record and saving all.
///
/// Input: the file.
pub fn records(input: &[u8]) {
    FILES.iter().for_each(|file| records_in(file, input));
}

fn records_in(file: &str, input: &[u8]) {
    let disk = VirtualDisk::new();
    disk.put(file, input);
    let folder = Path::new(FOLDER);
    let (records, trouble) = match Records::load(disk.process(), folder) {
        Ok(loaded) => loaded,
        Err(error) => {
            assert!(error.to_string().contains(file), "{error}");
            assert!(disk.bytes(file).is_some_and(|after| after == input), "a refused file was changed");
            return;
        }
    };
    if let Some(told) = trouble {
        assert!(told.contains(file), "{told}");
        let aside = format!("{file}.damaged");
        if told.contains(&aside) {
            assert!(disk.bytes(&aside).is_some_and(|kept| kept == input), "the damaged file is gone");
            assert!(!disk.exists(file));
        } else {
            assert!(disk.bytes(file).is_some_and(|after| after == input), "it was only read");
        }
    }
    let names = names(&String::from_utf8_lossy(input));
    let known = |records: &Records<VirtualDisk>| -> Vec<Record> {
        names.iter().map(|(store, key)| records.read(store, key, Clone::clone)).collect()
    };
    let before = known(&records);
    let (store, key) = ("/another/store", EntryKey::new("another|00"));
    records.change(store, &key, |record| record.spend(TokenDigest::of("rt_spent")));
    now_or_never(records.save()).expect("the disk is well");
    let (again, trouble) = Records::load(disk.process(), folder).expect("it was just saved");
    assert_eq!(trouble, None);
    assert_eq!(known(&again), before, "records were changed");
    assert!(again.read(store, &key, |record| record.is_spent(TokenDigest::of("rt_spent"))));
}

/// Every store and key that stands in the file, in whichever format.
fn names(text: &str) -> Vec<(String, EntryKey)> {
    let line = |text: &str| -> Option<(String, EntryKey)> {
        let root = plain::members(text)?;
        let string = |name: &str| serde_json::from_str::<String>(plain::last(text, &root, name)?).ok();
        Some((string("store")?, EntryKey::new(string("key")?)))
    };
    let stores = |text: &str| -> Option<Vec<(String, EntryKey)>> {
        let root = plain::members(text)?;
        let stores = plain::last(text, &root, "stores")?;
        let mut names = Vec::new();
        for store in plain::members(stores)? {
            let entries = &stores[store.value.clone()];
            let keys = plain::members(entries)?.into_iter().filter_map(|member| member.key);
            let Some(store) = store.key else { continue };
            names.extend(keys.map(|key| (store.clone(), EntryKey::new(key))));
        }
        Some(names)
    };
    let mut names = stores(text).unwrap_or_default();
    names.extend(text.lines().filter_map(line));
    names.retain(|(store, _)| store != "/another/store");
    names
}
