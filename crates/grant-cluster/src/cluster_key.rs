//! The key that all members share and etcd never sees.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use zeroize::Zeroizing;

/// ChaCha20-Poly1305 (RFC 8439) with a random nonce for each value: good for 2^32 of them, which are a refresh each second for a hundred
/// years.
pub struct ClusterKey {
    key: LessSafeKey,
    id: String,
    random: SystemRandom,
}

/// The key, or something sealed with it, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not 32 bytes.
    #[error("the cluster's key must be 32 bytes, as `openssl rand 32` makes them; it has {found}")]
    Length {
        /// How many it has.
        found: usize,
    },
    /// It was sealed with another key.
    #[error(
        "it is sealed with another cluster key ({theirs}, ours is {ours}); copy the key file of a member that can open it"
    )]
    AnotherKey {
        /// Its id.
        theirs: String,
        /// The id of ours.
        ours: String,
    },
    /// It was written by a newer version.
    #[error("it was written by a newer version of mcp-refreshd ({found}); install that version")]
    Newer {
        /// Its version.
        found: u32,
    },
    /// It was changed, or is not ours.
    #[error("it is damaged, or was not written by mcp-refreshd")]
    Damaged,
}

impl ClusterKey {
    /// The key of these 32 bytes.
    ///
    /// # Errors
    /// There are more or less of them.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes)
            .map_err(|_| KeyError::Length { found: bytes.len() })?;
        let mut named = Zeroizing::new(b"mcp-refreshd cluster key\n".to_vec());
        named.extend_from_slice(bytes);
        let id = digest(&SHA256, &named).as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { key: LessSafeKey::new(key), id, random: SystemRandom::new() })
    }

    /// Names the key without revealing it.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.clone()
    }

    /// Encrypts, bound to a place.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn seal(&self, bound_to: &str, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| KeyError::Damaged)?;
        // Room for the tag: a buffer that moves leaves a copy behind.
        let mut sealed = Vec::with_capacity(plain.len() + CHACHA20_POLY1305.tag_len());
        sealed.extend_from_slice(plain);
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), &mut sealed)
            .map_err(|_| KeyError::Damaged)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what was sealed for this place.
    ///
    /// # Errors
    /// It was changed, or sealed for another place.
    pub fn open(&self, bound_to: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(KeyError::Damaged)?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        let length = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(bound_to), &mut plain)
            .map_err(|_| KeyError::Damaged)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_with_its_key_and_at_its_place() {
        let (ours, other) = (ClusterKey::new(&[7; 32]).unwrap(), ClusterKey::new(&[8; 32]).unwrap());
        let sealed = ours.seal("grants/lab 1", b"rt_made_up").unwrap();
        assert!(!sealed.windows(10).any(|part| part == b"rt_made_up"));
        assert_eq!(ours.open("grants/lab 1", &sealed).unwrap().as_slice(), b"rt_made_up");
        assert_eq!(ours.open("grants/lab 2", &sealed), Err(KeyError::Damaged));
        assert_eq!(other.open("grants/lab 1", &sealed), Err(KeyError::Damaged));
        let mut changed = sealed.clone();
        changed[20] ^= 1;
        assert_eq!(ours.open("grants/lab 1", &changed), Err(KeyError::Damaged));
        assert_eq!(ours.open("grants/lab 1", b"short"), Err(KeyError::Damaged));
        assert_ne!(ours.seal("x", b"same").unwrap(), ours.seal("x", b"same").unwrap());
    }

    #[test]
    fn a_key_has_32_bytes_and_a_name_that_does_not_reveal_it() {
        assert_eq!(ClusterKey::new(&[7; 31]).unwrap_err(), KeyError::Length { found: 31 });
        let key = ClusterKey::new(&[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), format!("ClusterKey({})", key.id()));
        assert_eq!(key.id().len(), 8);
    }
}
