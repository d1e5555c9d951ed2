//! What stands in the memory of a process.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// How much is read at once.
const CHUNK: usize = 64 << 10;
/// Turns a text into one that is not found where the text is looked for.
const MASK: u8 = 0x5a;

/// A text that does not stand in this process's own memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Masked(Vec<u8>);

impl Masked {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.bytes().map(|byte| byte ^ MASK).collect())
    }

    /// The text itself, in a place of its own.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|byte| char::from(byte ^ MASK)).collect()
    }

    fn is_at(&self, place: &[u8]) -> bool {
        place.len() >= self.0.len() && self.0.iter().zip(place).all(|(masked, byte)| *masked == byte ^ MASK)
    }
}

/// How often each text stands in what the process can write to. `None` where its memory may not be read.
pub(crate) fn copies(pid: &str, texts: &[Masked]) -> Option<Vec<usize>> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut counts = vec![0; texts.len()];
    let longest = texts.iter().map(|text| text.0.len()).max().unwrap_or(0);
    let mut first = [false; 256];
    texts.iter().for_each(|text| first[usize::from(text.0[0] ^ MASK)] = true);
    let mut buffer = vec![0; CHUNK + longest];
    for map in maps.lines().filter(|map| map.contains(" rw")) {
        let (from, to) = map.split_whitespace().next()?.split_once('-')?;
        let (mut at, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        while at < to {
            // What begins in this chunk may end in the next one.
            let length = buffer.len().min(usize::try_from(to - at).unwrap());
            let read = memory.read_at(&mut buffer[..length], at).unwrap_or(0);
            let begins = buffer[..read.min(CHUNK)].iter().enumerate();
            for (place, _) in begins.filter(|(_, byte)| first[usize::from(**byte)]) {
                for (text, count) in texts.iter().zip(&mut counts) {
                    *count += usize::from(text.is_at(&buffer[place..read]));
                }
            }
            // The buffer itself is read, too, where the process is this one.
            buffer.fill(0);
            at += CHUNK as u64;
        }
    }
    Some(counts)
}
