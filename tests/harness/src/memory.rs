//! What stands in the memory of a process, as Linux shows it.

use crate::platform::read_at;
use std::fs::File;

/// How much is read at once.
const CHUNK: usize = 64 << 10;
/// Turns a text into one that is not found where the text is looked for.
const MASK: u8 = 0x5a;

/// A text that does not stand in this process's own memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Masked(Vec<u8>);

impl Masked {
    /// Keeps `text` in a form that is not found where it is looked for.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.bytes().map(|byte| byte ^ MASK).collect())
    }

    /// The text itself, in a place of its own.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.iter().map(|byte| char::from(byte ^ MASK)).collect()
    }

    fn begins(&self, place: &[u8]) -> bool {
        place.len() >= self.0.len() && self.0.iter().zip(place).all(|(masked, byte)| *masked == byte ^ MASK)
    }

    fn first(&self) -> Option<u8> {
        self.0.first().map(|byte| byte ^ MASK)
    }
}

/// How often each text stands in what the process can write to. `None` where its memory may not be read.
#[must_use]
pub fn copies(pid: &str, texts: &[Masked]) -> Option<Vec<usize>> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let longest = texts.iter().map(|text| text.0.len()).max().unwrap_or(0);
    let first: [bool; 256] =
        std::array::from_fn(|byte| texts.iter().any(|text| text.first().map(usize::from) == Some(byte)));
    let mut counts = vec![0; texts.len()];
    let mut buffer = vec![0; CHUNK + longest];
    for map in maps.lines().filter(|map| map.contains(" rw")) {
        let (from, to) = map.split_whitespace().next()?.split_once('-')?;
        let (mut at, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        while at < to {
            // What begins in this chunk may end in the next one.
            let length = usize::try_from(to - at).map_or(buffer.len(), |left| left.min(buffer.len()));
            let chunk = buffer.split_at_mut(length).0;
            let read = read_at(&memory, chunk, at).unwrap_or(0);
            let mut rest: &[u8] = chunk.split_at(read).0;
            for _ in 0..CHUNK {
                let Some((byte, after)) = rest.split_first() else { break };
                if first.get(usize::from(*byte)) == Some(&true) {
                    for (_, count) in texts.iter().zip(&mut counts).filter(|(text, _)| text.begins(rest)) {
                        *count += 1;
                    }
                }
                rest = after;
            }
            // The buffer itself is read, too, where the process is this one.
            buffer.fill(0);
            at += CHUNK as u64;
        }
    }
    Some(counts)
}
