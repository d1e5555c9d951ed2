//! Taking a repaired server out of the client's list.

use claude_store::{FileSystem, NeedsAuthCache, NeedsAuthError};
use std::path::Path;
use virtual_disk::{Operation, VirtualDisk};

const PATH: &str = "/home/u/.claude/mcp-needs-auth-cache.json";

fn with_cache(content: &str) -> (VirtualDisk, NeedsAuthCache<VirtualDisk>) {
    let disk = VirtualDisk::new();
    disk.put(PATH, content);
    disk.chmod(PATH, 0o644);
    let cache = NeedsAuthCache::new(disk.process(), PATH);
    (disk, cache)
}

#[test]
fn flagged_servers_are_listed_with_their_moments() {
    let (_, cache) =
        with_cache(r#"{"lab":{"timestamp":1795381774631},"plugin:a:b":{"timestamp":2.5},"odd":7,"old":{}}"#);
    let flagged = [("lab".to_owned(), 1_795_381_774_631), ("plugin:a:b".to_owned(), 2)];
    assert_eq!(cache.flagged().unwrap(), flagged);
}

#[test]
fn a_name_is_removed_and_all_other_bytes_stay() {
    for (before, after) in [
        (r#"{"lab":{"timestamp":1}}"#, "{}"),
        (r#"{"lab":{"timestamp":1,"ttlMs":90000},"b":{"timestamp":2}}"#, r#"{"b":{"timestamp":2}}"#),
        (r#"{"a":{"timestamp":1e400}, "lab":{"timestamp":1} }"#, r#"{"a":{"timestamp":1e400} }"#),
        (r#"{ "lab":{"timestamp":1} , "b" : [ ] }"#, r#"{ "b" : [ ] }"#),
        (r#"{"a":1,"l\u0061b":2,"b":3,"lab":4}"#, r#"{"a":1,"b":3}"#),
    ] {
        let (disk, cache) = with_cache(before);
        assert!(cache.remove("lab").unwrap());
        assert_eq!(disk.text(PATH).unwrap(), after);
        assert_eq!(disk.stamp(Path::new(PATH)).unwrap().mode, 0o644);
        assert_eq!(disk.names_in("/home/u/.claude").len(), 1);
    }
}

#[test]
fn without_a_listed_name_nothing_is_written() {
    let (disk, cache) = with_cache(r#"{"labs":{"timestamp":1}}"#);
    let before = disk.stamp(Path::new(PATH)).unwrap();
    assert!(!cache.remove("lab").unwrap());
    assert_eq!(disk.stamp(Path::new(PATH)).unwrap(), before);
    disk.take_away(PATH);
    assert!(!cache.remove("lab").unwrap());
    assert!(cache.flagged().unwrap().is_empty());
    assert!(!disk.exists(PATH));
}

#[test]
fn several_names_go_in_one_write_and_what_stays_keeps_every_byte() {
    let text = r#"{ "a" :1, "b":{"timestamp":2} ,"c":3,  "d":4 }"#;
    for (names, left) in [
        (&["a"][..], r#"{ "b":{"timestamp":2} ,"c":3,  "d":4 }"#),
        (&["b", "c"], r#"{ "a" :1, "d":4 }"#),
        (&["c", "d"], r#"{ "a" :1, "b":{"timestamp":2} }"#),
        (&["a", "d"], r#"{ "b":{"timestamp":2} ,"c":3 }"#),
        (&["a", "b", "c", "d"], "{  }"),
        (&["e"], text),
    ] {
        let (disk, _) = with_cache(text);
        let process = disk.process();
        let cache = NeedsAuthCache::new(process.clone(), PATH);
        let removed = cache.remove_all(&names.iter().copied().collect()).unwrap();
        assert_eq!(
            removed.iter().map(String::as_str).collect::<Vec<_>>(),
            names.iter().copied().filter(|name| *name != "e").collect::<Vec<_>>()
        );
        assert_eq!(disk.text(PATH).unwrap(), left, "{names:?}");
        let writes = process.calls().iter().filter(|call| call.operation == Operation::Rename).count();
        assert_eq!(writes, usize::from(left != text));
    }
}

#[test]
fn a_cache_emptied_by_a_power_cut_flags_nobody() {
    let (disk, cache) = with_cache("");
    assert_eq!(cache.flagged().unwrap(), []);
    assert!(!cache.remove("lab").unwrap());
    assert_eq!(disk.text(PATH).as_deref(), Some(""));
}

#[test]
fn a_malformed_cache_is_left_alone_and_named_in_the_error() {
    for odd in [" ", "{\"lab\"", "[]", "{\"lab\":1}x"] {
        let (disk, cache) = with_cache(odd);
        assert!(cache.flagged().unwrap_err().to_string().contains(PATH));
        assert!(matches!(cache.remove("lab"), Err(NeedsAuthError::Odd { .. })), "{odd}");
        assert_eq!(disk.text(PATH).unwrap(), odd);
    }
    let (disk, cache) = with_cache("{}");
    disk.take_away(PATH);
    disk.put_fifo(PATH);
    assert!(matches!(cache.remove("lab"), Err(NeedsAuthError::Odd { .. })));
}

#[test]
fn a_concurrent_write_of_the_client_is_not_lost() {
    let (disk, _) = with_cache(r#"{"lab":{"timestamp":1}}"#);
    let (process, world) = (disk.process(), disk.clone());
    let mut written = false;
    process.on_call(move |call| {
        if call.operation == Operation::Append && !std::mem::replace(&mut written, true) {
            world.put(PATH, r#"{"lab":{"timestamp":1},"new":{"timestamp":2}}"#);
        }
        None
    });
    assert!(NeedsAuthCache::new(process, PATH).remove("lab").unwrap());
    assert_eq!(disk.text(PATH).unwrap(), r#"{"new":{"timestamp":2}}"#);
}

#[test]
fn a_client_that_never_stops_writing_is_reported_and_nothing_is_lost() {
    let (disk, _) = with_cache(r#"{"lab":{"timestamp":1}}"#);
    let (process, world) = (disk.process(), disk.clone());
    let mut round = 1;
    process.on_call(move |call| {
        if call.operation == Operation::Append {
            round += 1;
            world.put(PATH, format!(r#"{{"lab":{{"timestamp":{round}}}}}"#));
        }
        None
    });
    let error = NeedsAuthCache::new(process, PATH).remove("lab").unwrap_err();
    assert!(matches!(error, NeedsAuthError::Busy { .. }));
    assert!(disk.text(PATH).unwrap().contains("lab"));
    assert_eq!(disk.names_in("/home/u/.claude").len(), 1);
}

#[test]
fn a_failed_write_leaves_the_cache_as_it_was() {
    let (disk, cache) = with_cache(r#"{"lab":{"timestamp":1}}"#);
    disk.set_read_only(true);
    assert!(matches!(cache.remove("lab"), Err(NeedsAuthError::Io { .. })));
    assert_eq!(disk.text(PATH).unwrap(), r#"{"lab":{"timestamp":1}}"#);
}
