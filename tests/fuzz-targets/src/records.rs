use crate::now_or_never::now_or_never;
use crate::plain;
use claude_store::EntryKey;
use oauth_secret::TokenDigest;
use refresh_engine::{Record, Records};
use std::path::Path;
use virtual_disk::VirtualDisk;

const FOLDER: &str = "/state";
const FILE: &str = "/state/state.json";

/// What is remembered of entries, `state.json`.
///
/// What cannot be understood is kept under another name, byte for byte, and told; a newer version's file is refused and stays as it
/// is. What is understood is the same after one record was changed and all were saved.
///
/// Input: the file.
pub fn records(input: &[u8]) {
    let disk = VirtualDisk::new();
    disk.put(FILE, input);
    let folder = Path::new(FOLDER);
    let (records, trouble) = match Records::load(disk.process(), folder) {
        Ok(loaded) => loaded,
        Err(error) => {
            assert!(error.to_string().contains(FILE), "{error}");
            assert!(disk.bytes(FILE).is_some_and(|after| after == input), "a refused file was changed");
            return;
        }
    };
    if let Some(told) = trouble {
        let aside = format!("{FILE}.damaged");
        assert!(told.contains(&aside), "{told}");
        assert!(disk.bytes(&aside).is_some_and(|kept| kept == input), "the damaged file is gone");
        assert!(!disk.exists(FILE));
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

/// Every store and key that stands in the file.
fn names(text: &str) -> Vec<(String, EntryKey)> {
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
    names.retain(|(store, _)| store != "/another/store");
    names
}
