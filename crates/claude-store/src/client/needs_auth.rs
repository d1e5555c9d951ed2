use crate::client::storage_folder::NEEDS_AUTH;
use crate::json::{Member, Object, describe, span_in};
use crate::{FileSystem, OsFileSystem};
use compact::Set;
use oauth_secret::SecretBytes;
use std::io;
use std::path::{Path, PathBuf};

/// Larger than any such cache.
const LIMIT: u64 = 4 << 20;

/// How often to restart a removal after a concurrent write by the client.
const TRIES: usize = 10;

/// The client's list of servers that need a login. For 15 minutes, each new session skips the listed servers without a single request,
/// even if the store has a good token (measured), so a repaired server's name must be removed.
///
/// The client writes this file in place, without a lock. Its bytes are compared again right before the new file is renamed over it;
/// in the remaining microseconds, at most a flag can be lost.
pub struct NeedsAuthCache<F: FileSystem = OsFileSystem> {
    files: F,
    path: PathBuf,
}

/// Why the cache could not be read or changed. It is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NeedsAuthError {
    /// Not the client's format.
    #[error("{} is not in Claude Code's format ({why}); remove it, it is only a cache", path.display())]
    Odd {
        /// The cache's path.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The client kept writing.
    #[error("{} changed during each attempt to write it; retrying", path.display())]
    Busy {
        /// The cache's path.
        path: PathBuf,
    },
    /// A system error.
    #[error("cannot read or write {}: {source}", path.display())]
    Io {
        /// The cache's path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// The file as read.
struct Content {
    bytes: SecretBytes,
    mode: u32,
}

impl<F: FileSystem> NeedsAuthCache<F> {
    /// The cache at this path.
    #[must_use]
    pub fn new(files: F, path: impl Into<PathBuf>) -> Self {
        Self { files, path: path.into() }
    }

    /// The flagged servers' names with the times of their flags, in milliseconds since 1970. Flags without a valid time are
    /// skipped; a missing file has none.
    ///
    /// # Errors
    /// The file exists but cannot be read, or is not in the client's format.
    pub fn flagged(&self) -> Result<Vec<(String, i64)>, NeedsAuthError> {
        let Some(Content { bytes, .. }) = self.read(&self.path)? else { return Ok(Vec::new()) };
        let object = self.object(&bytes)?;
        Ok(object.members.iter().filter_map(flag).collect())
    }

    /// Removes a server's name, so that the next session uses the server; `false` if it was not listed. All other bytes stay.
    ///
    /// # Errors
    /// The file could not be read or replaced, or is not in the client's format. It is unchanged.
    pub fn remove(&self, server_name: &str) -> Result<bool, NeedsAuthError> {
        self.remove_all(&Set::from([server_name])).map(|removed| !removed.is_empty())
    }

    /// Removes several names in one write; returns those that were listed.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn remove_all(&self, server_names: &Set<&str>) -> Result<Set<String>, NeedsAuthError> {
        if server_names.is_empty() {
            return Ok(Set::new());
        }
        let path = match self.files.resolve(&self.path) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Set::new()),
            Err(error) => return Err(self.io(error)),
        };
        for _ in 0..TRIES {
            let Some(Content { bytes, mode }) = self.read(&path)? else { return Ok(Set::new()) };
            let (rest, removed) = self.without(&bytes, server_names)?;
            if removed.is_empty()
                || self.replace(&path, &bytes, rest.as_bytes(), mode).map_err(|error| self.io(error))?
            {
                return Ok(removed);
            }
        }
        Err(NeedsAuthError::Busy { path: self.path.clone() })
    }

    /// Replaces the file if its old bytes are still there.
    fn replace(&self, path: &Path, old: &[u8], new: &[u8], mode: u32) -> io::Result<bool> {
        let name = format!(".{NEEDS_AUTH}.tmp.mcp-refreshd-{:08x}", fastrand::u32(..));
        let temporary = path.with_file_name(name);
        let file = self.files.create_file(&temporary, mode & 0o777)?;
        let swapped = self.files.append(&file, new).and_then(|()| {
            let unchanged = self.files.read(path, LIMIT)?.0.as_slice() == old;
            if unchanged {
                self.files.rename(&temporary, path)?;
            }
            Ok(unchanged)
        });
        if !matches!(swapped, Ok(true)) {
            // Leftovers are removed at the next start.
            let _ = self.files.remove_file(&temporary);
        }
        swapped
    }

    /// The text without these members, and which of them were listed.
    fn without(&self, bytes: &[u8], names: &Set<&str>) -> Result<(String, Set<String>), NeedsAuthError> {
        let text = std::str::from_utf8(bytes).map_err(|_| self.odd("not UTF-8"))?;
        let members = self.object(bytes)?.members;
        let goes = |member: &Member<'_>| names.contains(&*member.key);
        let removed =
            members.iter().filter(|member| goes(member)).map(|member| member.key.clone().into_owned());
        let removed = removed.collect();
        let begins = |number: usize| members.get(number).map(|member| span_in(text, member.raw_key).start);
        let ends = |number: usize| members.get(number).map(|member| span_in(text, member.value).end);
        // Remove each up to the next member, comma included; trailing ones from the last kept member, comma included.
        let last_kept = members.iter().rposition(|member| !goes(member));
        let in_front =
            members.iter().take(last_kept.unwrap_or(0)).enumerate().filter(|(_, member)| goes(member));
        let mut cuts: Vec<_> = in_front.map(|(number, _)| (begins(number), begins(number + 1))).collect();
        cuts.push((last_kept.map_or(begins(0), ends), ends(members.len().saturating_sub(1))));
        let (mut rest, mut from) = (String::with_capacity(text.len()), 0);
        for (start, end) in cuts.into_iter().filter_map(|(start, end)| Some((start?, end?))) {
            rest.push_str(text.get(from..start).unwrap_or_default());
            from = end;
        }
        rest.push_str(text.get(from..).unwrap_or_default());
        Ok((rest, removed))
    }

    fn read(&self, path: &Path) -> Result<Option<Content>, NeedsAuthError> {
        match self.files.read(path, LIMIT) {
            // What a power cut may leave of a new file. It flags nobody.
            Ok((bytes, _)) if bytes.is_empty() => Ok(None),
            Ok((bytes, stamp)) => Ok(Some(Content { bytes, mode: stamp.mode })),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Ok(None),
                io::ErrorKind::InvalidInput => Err(self.odd("not a regular file")),
                io::ErrorKind::FileTooLarge => Err(self.odd("over 4 MiB")),
                _ => Err(self.io(error)),
            },
        }
    }

    fn object<'a>(&self, bytes: &'a [u8]) -> Result<Object<'a>, NeedsAuthError> {
        let text = std::str::from_utf8(bytes).map_err(|_| self.odd("not UTF-8"))?;
        Object::parse(text).map_err(|_| self.odd("not a JSON object"))
    }

    fn odd(&self, why: &'static str) -> NeedsAuthError {
        NeedsAuthError::Odd { path: self.path.clone(), why }
    }

    fn io(&self, source: io::Error) -> NeedsAuthError {
        NeedsAuthError::Io { path: self.path.clone(), source }
    }
}

impl<F: FileSystem> std::fmt::Debug for NeedsAuthCache<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NeedsAuthCache").field("path", &self.path).finish_non_exhaustive()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast saturates, and any date in the far future will do"
)]
fn flag(member: &Member<'_>) -> Option<(String, i64)> {
    let value = Object::parse(member.value).ok()?;
    let timestamp = value.members.iter().rev().find(|member| member.key == "timestamp")?;
    let millis: f64 = Some(timestamp.value).filter(|raw| describe(raw) == "a number")?.parse().ok()?;
    Some((member.key.clone().into_owned(), millis as i64))
}
