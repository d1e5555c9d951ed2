use std::fmt;
use std::ops::{Deref, DerefMut};
use zeroize::Zeroize;

/// Bytes that contain secrets: a document, a journal line, a response. Wiped when dropped.
///
/// A `Vec` that grows leaves copies behind, so allocate [the full capacity](Self::with_capacity) at once, or [move](Self::move_to).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Empty, with this capacity.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Moves the bytes into a buffer of this capacity, and wipes the one they were in.
    pub fn move_to(&mut self, capacity: usize) {
        let mut moved = Self::with_capacity(capacity.max(self.0.len()));
        moved.0.extend_from_slice(&self.0);
        *self = moved;
    }

    /// The bytes of a string, without a copy.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        // Wipe only the spare capacity as a whole; the elements of a `Vec` are wiped one by one, which took half of the time for a
        // document of a megabyte.
        self.0.clear();
        self.0.zeroize();
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for SecretBytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Deref for SecretBytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for SecretBytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

/// Their number is not secret.
impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_move_are_all_there() {
        let mut bytes = SecretBytes::from(b"rt_made_up".as_slice());
        bytes.move_to(4);
        assert_eq!(bytes.as_slice(), b"rt_made_up");
        bytes.move_to(100);
        assert_eq!((bytes.as_slice(), bytes.capacity()), (b"rt_made_up".as_slice(), 100));
    }

    #[test]
    fn bytes_are_counted_and_not_shown() {
        assert_eq!(format!("{:?}", SecretBytes::from(b"rt_made_up".as_slice())), "SecretBytes(10 bytes)");
    }
}
