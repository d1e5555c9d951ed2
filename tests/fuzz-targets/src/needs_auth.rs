use crate::head::head;
use crate::plain::{self, Member, is_blurred};
use claude_store::NeedsAuthCache;
use virtual_disk::VirtualDisk;

const PATH: &str = "/home/u/.claude/mcp-needs-auth-cache.json";

/// The client's list of servers that need a login.
///
/// Removing a name leaves every other member unchanged, byte for byte and in order, as well as everything before the first and
/// after the last removed one. If the name is absent or the file is malformed, nothing is written.
///
/// Input: the name; then the file.
pub fn needs_auth(input: &[u8]) {
    let ([name], bytes) = head(input);
    if is_blurred(&name) {
        return;
    }
    let disk = VirtualDisk::new();
    disk.put(PATH, bytes);
    let cache = NeedsAuthCache::new(disk.process(), PATH);
    let flagged = cache.flagged();
    let removed = cache.remove(&name);
    let after = disk.bytes(PATH).expect("the file is there");
    assert_eq!(disk.names_in("/home/u/.claude").len(), 1, "a file was left beside");

    let text = std::str::from_utf8(bytes).ok();
    let before = text.and_then(plain::members);
    match removed {
        Err(error) => {
            assert!(error.to_string().contains(PATH), "{error}");
            assert!(before.is_none() && flagged.is_err() && !bytes.is_empty(), "{error}");
            assert!(after == bytes, "an odd file was changed");
        }
        Ok(false) => {
            assert!(after == bytes, "nothing was to be taken out");
            assert!(before.is_none_or(|members| !members.iter().any(|member| member.is(&name))));
        }
        Ok(true) => {
            let (Some(text), Some(before)) = (text, before) else { panic!("an odd file was changed") };
            let after = std::str::from_utf8(&after).expect("the file is text");
            let rest = plain::members(after).expect("the file is an object");
            only_this_is_gone(&name, (text, &before), (after, &rest));
            let expected: Vec<_> = flagged
                .expect("the file was read")
                .into_iter()
                .filter(|(flagged, _)| *flagged != name)
                .collect();
            assert_eq!(cache.flagged().expect("the file can be read"), expected);
        }
    }
}

fn only_this_is_gone(name: &str, (text, before): (&str, &[Member]), (after, rest): (&str, &[Member])) {
    let is_named = |member: &&Member| member.is(name);
    let kept = before.iter().filter(|member| !member.is(name)).map(|member| &text[member.whole.clone()]);
    let still = rest.iter().map(|member| &after[member.whole.clone()]);
    assert!(kept.eq(still), "other members were changed");
    let first = before.iter().position(|member| member.is(name)).expect("the name was in");
    let last = before.iter().rposition(|member| member.is(name)).expect("the name was in");
    let head = first.checked_sub(1).map_or(1, |number| before[number].whole.end);
    let head = text[..head].trim_end();
    assert!(after.starts_with(head), "bytes before were changed");
    let tail = before.get(last + 1).map_or(&text[before[last].whole.end..], |next| &text[next.whole.start..]);
    assert!(after.ends_with(tail), "bytes behind were changed");
    // Besides them, only commas and whitespace may disappear.
    let gone: usize = before.iter().filter(is_named).map(|member| member.whole.len()).sum();
    let space = |text: &str| text.bytes().filter(u8::is_ascii_whitespace).count();
    let count = before.iter().filter(is_named).count();
    let commas = count - usize::from(count == before.len());
    assert!(after.len() + gone + commas <= text.len(), "too little was taken out");
    assert!(text.len() <= after.len() + gone + commas + space(text), "too much was taken out");
}
