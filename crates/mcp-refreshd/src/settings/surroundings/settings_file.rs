//! One of Claude Code's files with settings: the variables that its `env` sets.

use compact::Map;
use serde::{Deserialize, Deserializer};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

/// No settings file of a user is larger; the configuration, in which the client keeps histories, may be.
const LARGEST: u64 = 512 << 20;

/// The strings of `env`. Members of other kinds are turned into text, as the client does.
pub(super) fn settings(path: &Path) -> io::Result<Map<String, String>> {
    #[derive(Deserialize)]
    struct Settings {
        #[serde(default)]
        env: Env,
    }
    // A pipe in its place must not hold the agent.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > LARGEST {
        return Err(io::Error::other(format!("it is over {} MiB", LARGEST >> 20)));
    }
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
    skip_mark(&mut reader)?;
    let Settings { env } = serde_json::from_reader(reader).map_err(|error| {
        // Its text may quote what stands there.
        io::Error::other(format!("line {}, column {}: it is not valid JSON", error.line(), error.column()))
    })?;
    Ok(env.0)
}

/// Some editors begin a file with a byte-order mark, and the client reads it all the same.
fn skip_mark(reader: &mut BufReader<File>) -> io::Result<()> {
    use io::BufRead;
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(())
}

/// `env`; of another type it counts as empty.
#[derive(Default)]
pub(super) struct Env(pub(super) Map<String, String>);

impl<'de> Deserialize<'de> for Env {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let serde_json::Value::Object(members) = serde_json::Value::deserialize(deserializer)? else {
            return Ok(Self::default());
        };
        let text = |value| match value {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Some(value.to_string()),
            _ => None,
        };
        Ok(Self(members.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()))
    }
}
