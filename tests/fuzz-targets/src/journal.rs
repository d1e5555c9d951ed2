use crate::head::head;
use crate::now_or_never::now_or_never;
use crate::plain;
use claude_store::{ExpiresAt, FileSystem, LeftLock};
use jiff::Timestamp;
use oauth_secret::TokenDigest;
use refresh_engine::{Expected, Intent, Journal, TransactionId, Unfinished};
use std::collections::BTreeMap;
use std::path::Path;
use token_endpoint::RawAnswer;
use virtual_disk::VirtualDisk;

const FOLDER: &str = "/state";
const FILE: &str = "/state/journal";

type Model = BTreeMap<TransactionId, Kept>;

/// What one open transaction has written.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    intent: Intent,
    answer: Option<(RawAnswer, Timestamp)>,
    superseded_by: Option<TokenDigest>,
    storage_lock: Option<LeftLock>,
}

impl Kept {
    fn new(intent: Intent) -> Self {
        Self { intent, answer: None, superseded_by: None, storage_lock: None }
    }
}

/// The journal.
///
/// Whatever its bytes, reading yields the transactions in it or a message that names the file, which is left unchanged. Every
/// completely written record is found, whatever a torn write left after it; and so is what is written after that.
///
/// Input: what is written, a letter each (see [`write`]), or nothing; how many bytes of that are cut off the end; then the bytes that
/// follow it, or the whole file where nothing was written.
pub fn journal(input: &[u8]) {
    let ([script, cut], tail) = head(input);
    let disk = VirtualDisk::new();
    disk.put_folder(FOLDER);
    let history = write(&disk, &script);
    let mut bytes = disk.bytes(FILE).unwrap_or_default();
    if history.is_empty() {
        bytes.clear();
    }
    bytes.truncate(bytes.len().saturating_sub(cut.parse().unwrap_or(0)));
    bytes.extend_from_slice(tail);
    let whole = |len: usize| {
        let written = disk.bytes(FILE).unwrap_or_default();
        // A line that only lacks its newline is complete.
        bytes.get(..len - 1) == written.get(..len - 1) && bytes.get(len - 1).is_none_or(|byte| *byte == b'\n')
    };
    let found = history.iter().rev().find(|(len, _)| whole(*len));
    let expected = found.filter(|(len, _)| {
        bytes.get(*len..).unwrap_or_default().split(|byte| *byte == b'\n').all(|line| !is_record(line))
    });
    read(&bytes, expected.map(|(_, model)| model));
}

/// Whether a line of a tail could be one of ours.
fn is_record(line: &[u8]) -> bool {
    plain::is_json(&String::from_utf8_lossy(line))
}

/// Writes by the journal itself: `i` a new transaction, `a` its answer, `r` its next try, `s` that its pair is superseded, `w` the lock under
/// which it is written, `d` its end; a digit chooses which of those open is meant, else it is the last. Gives what is open at each length of
/// the file.
fn write(disk: &VirtualDisk, script: &str) -> Vec<(usize, Model)> {
    let mut history = Vec::new();
    if script.is_empty() {
        return history;
    }
    let (journal, _, _) =
        now_or_never(Journal::open(disk.process(), Path::new(FOLDER))).expect("a new journal");
    let (mut model, mut chosen) = (Model::new(), None);
    let len = |disk: &VirtualDisk| disk.bytes(FILE).map_or(0, |bytes| bytes.len());
    history.push((len(disk), model.clone()));
    for (number, step) in script.chars().take(40).enumerate() {
        let open = chosen.and_then(|chosen| model.keys().nth(chosen)).or(model.keys().next_back()).copied();
        match (step, open) {
            ('0'..='9', _) => {
                chosen = step.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
                continue;
            }
            ('i', _) => {
                let intent = intent(number);
                let id = journal.intend(intent.clone()).expect("there is room");
                assert!(model.insert(id, Kept::new(intent)).is_none());
            }
            ('a', Some(id)) => {
                let answer = answer(number);
                journal.answer(id, moment(number), &answer).expect("there is room");
                if let Some(kept) = model.get_mut(&id) {
                    kept.answer = Some((answer, moment(number)));
                }
            }
            ('r', Some(id)) => {
                let intent = intent(number);
                journal.intend_again(id, intent.clone()).expect("there is room");
                model.insert(id, Kept::new(intent));
            }
            ('s', Some(id)) => {
                let by = TokenDigest::of(&format!("rt_by_{number}"));
                journal.supersede(id, by).expect("there is room");
                if let Some(kept) = model.get_mut(&id) {
                    kept.superseded_by = Some(by);
                }
            }
            ('w', Some(id)) => {
                let lock = left_lock(number);
                journal.writing(id, lock).expect("there is room");
                if let Some(kept) = model.get_mut(&id) {
                    kept.storage_lock = Some(lock);
                }
            }
            ('d', Some(id)) => {
                journal.done(id);
                model.remove(&id);
            }
            _ => continue,
        }
        let len = len(disk);
        // Truncated to its header: the old content is gone on purpose.
        history.retain(|(earlier, _)| *earlier < len);
        history.push((len, model.clone()));
    }
    history
}

/// Opens a journal of these bytes, and holds it to what was written whole, where that is known.
fn read(bytes: &[u8], expected: Option<&Model>) {
    let disk = VirtualDisk::new();
    disk.put(FILE, bytes);
    let folder = Path::new(FOLDER);
    let peeked = Journal::peek(&disk.process(), folder);
    let (journal, unfinished, _) = match now_or_never(Journal::open(disk.process(), folder)) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(error.to_string().contains(FILE), "{error}");
            assert!(peeked.is_err() && expected.is_none_or(BTreeMap::is_empty), "{error}");
            assert!(disk.bytes(FILE).is_some_and(|after| after == bytes), "a refused journal was changed");
            return;
        }
    };
    let found = model_of(unfinished);
    assert_eq!(model_of(peeked.expect("what can be opened can be looked at")), found);
    if let Some(expected) = expected {
        assert_eq!(&found, expected, "not what was written");
    }
    let text = String::from_utf8_lossy(bytes);
    for id in found.keys() {
        let id = serde_json::to_string(id).expect("a number");
        assert!(text.lines().any(|line| begins(line, &id)), "transaction {id} is invented");
    }

    // A torn line must not swallow what is written next.
    let next = intent(1000);
    let id = journal.intend(next.clone()).expect("there is room");
    let (_, again, _) = now_or_never(Journal::open(disk.process(), folder)).expect("it was opened before");
    let mut expected = found;
    let before = expected.insert(id, Kept::new(next));
    assert!(before.is_none(), "two transactions have the same number");
    assert_eq!(model_of(again), expected, "what was written afterwards reads differently");
}

/// Whether the line begins the transaction of this number.
fn begins(line: &str, id: &str) -> bool {
    let Some(members) = plain::members(line) else { return false };
    let Some(content) = plain::last(line, &members, "intent") else { return false };
    match plain::members(content) {
        Some(inner) => plain::last(content, &inner, "id") == Some(id),
        // An object's members as a list, which the reader accepts, too.
        None => content.trim_start_matches('[').trim_start().starts_with(id),
    }
}

fn model_of(unfinished: Vec<Unfinished>) -> Model {
    let kept = |Unfinished { id, intent, answer, superseded_by, storage_lock }| {
        (id, Kept { intent, answer, superseded_by, storage_lock })
    };
    unfinished.into_iter().map(kept).collect()
}

fn intent(number: usize) -> Intent {
    let refresh = TokenDigest::of(&format!("rt_{number}"));
    let expires = ExpiresAt::At(1_795_381_774_631);
    let lock = number.is_multiple_of(2).then(|| {
        let disk = VirtualDisk::new();
        disk.put("/lock", "");
        disk.link_stamp(Path::new("/lock")).expect("it was put there").identity()
    });
    Intent {
        store: "/home/u/.claude".to_owned(),
        key: format!("lab\n{number}|6f671eeac57e3e15"),
        presented: refresh,
        expected: Expected { refresh: Some(refresh), access: None, expires_at_ms: expires.millis() },
        at: moment(number),
        other_locks: Vec::new(),
        lock,
        heal: None,
    }
}

fn left_lock(number: usize) -> LeftLock {
    let lock = format!(
        "{{\"identity\":{{\"device\":1,\"inode\":{number},\"born\":null}},\
          \"modified\":{{\"secs_since_epoch\":1795000000,\"nanos_since_epoch\":{number}}}}}"
    );
    serde_json::from_str(&lock).expect("the form in which it is written")
}

fn answer(number: usize) -> RawAnswer {
    RawAnswer {
        content_type: Some("application/json".to_owned()),
        ..RawAnswer::new(
            200,
            format!("{{\"access_token\":\"at_{number}\",\"refresh_token\":\"rt_{number}\"}}\n"),
        )
    }
}

fn moment(number: usize) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + i64::try_from(number).unwrap_or(0)).expect("in this century")
}
