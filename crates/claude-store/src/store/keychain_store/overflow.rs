//! The second item of a document that is too large for one line of the tool, as the client creates it since 2.1.331 (read in 2.1.332).
//!
//! The main item then contains `"keychainOverflow":{"slot":"a"|"b","key":"<base64>",…}`; the item `<service>-overflow-<slot>` holds, in
//! base64, nonce, ciphertext and tag of AES-256-GCM over the moved sections. New content gets a new key and the unused slot, so that
//! a single write of the main item switches to it.

use crate::KeychainItem;
use crate::json::Object;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use oauth_secret::SecretBytes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

const KEY_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// Node's decoder does not require padding either.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One of the two alternating items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    A,
    B,
}

impl Slot {
    pub(super) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    pub(super) fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// The item of this slot, which accompanies the main one.
    pub(super) fn beside(self, main: &KeychainItem) -> KeychainItem {
        KeychainItem::named(format!("{}-overflow-{}", main.service(), self.letter()), main.account())
    }
}

/// Where the rest of a document is, and the key to it.
pub(super) struct Pointer {
    pub(super) slot: Slot,
    key: SecretBytes,
}

/// Encryption failed: the system returned no random numbers.
#[derive(Debug)]
pub(super) struct NotSealed;

impl Pointer {
    /// Parses the member's value; `None` if the format is unknown.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let object = Object::parse(value).ok()?;
        let text = |name: &str| {
            let member = object.members.iter().rev().find(|member| member.key == name)?;
            serde_json::from_str::<String>(member.value).ok().map(SecretBytes::from_text)
        };
        let slot = match text("slot")?.as_slice() {
            b"a" => Slot::A,
            b"b" => Slot::B,
            _ => return None,
        };
        let key = SecretBytes::from(BASE64.decode(text("key")?.as_slice()).ok()?);
        (key.len() == KEY_LEN).then_some(Self { slot, key })
    }

    /// A new key in this slot.
    pub(super) fn new(slot: Slot) -> Result<Self, NotSealed> {
        let mut key = SecretBytes::from(vec![0; KEY_LEN]);
        SystemRandom::new().fill(&mut key).map_err(|_| NotSealed)?;
        Ok(Self { slot, key })
    }

    /// The key as written in the member.
    pub(super) fn key_text(&self) -> SecretBytes {
        SecretBytes::from_text(BASE64.encode(self.key.as_slice()))
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.key).ok().map(LessSafeKey::new)
    }

    /// Decrypts the content of the slot's item; `None` if this key does not fit.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<SecretBytes> {
        let mut bytes = SecretBytes::from(BASE64.decode(sealed.trim_ascii()).ok()?);
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let sections = self.cipher()?.open_in_place(nonce, Aad::empty(), sealed).ok()?;
        Some(SecretBytes::from(&*sections))
    }

    /// Encrypts the content of the slot's item.
    pub(super) fn seal(&self, sections: &[u8]) -> Result<SecretBytes, NotSealed> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| NotSealed)?;
        let mut text = SecretBytes::with_capacity(sections.len());
        text.extend_from_slice(sections);
        let cipher = self.cipher().ok_or(NotSealed)?;
        let tag = cipher
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
            .map_err(|_| NotSealed)?;
        let sealed = [&nonce, text.as_slice(), tag.as_ref()].concat();
        Ok(SecretBytes::from_text(BASE64.encode(sealed)))
    }
}

/// The length of the text that [`Pointer::seal`] makes of that many bytes.
pub(super) fn sealed_len(sections: usize) -> usize {
    (NONCE_LEN + sections + TAG_LEN).div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_text_opens_only_with_its_own_key() {
        for text in [&b"{}"[..], br#"{"mcpOAuth":{"lab|00":{"accessToken":"at_lab"}}}"#, &[b'x'; 9000]] {
            let pointer = Pointer::new(Slot::B).unwrap();
            let sealed = pointer.seal(text).unwrap();
            assert_eq!(sealed.len(), sealed_len(text.len()));
            assert_eq!(&pointer.open(&sealed).unwrap()[..], text);
            assert_ne!(sealed, pointer.seal(text).unwrap(), "nonces are not reused");
            assert!(Pointer::new(Slot::B).unwrap().open(&sealed).is_none());
            for damaged in [&sealed[..sealed.len() - 4], b"", b"AAAA", &sealed[4..], b"%%%"] {
                assert!(pointer.open(damaged).is_none());
            }
        }
    }

    #[test]
    fn a_pointer_of_unknown_form_is_rejected() {
        let key = "Lsnt/vCVpLpnkB3VMNIdNqj9/ukENwZBZRTxT8byysY=";
        let text = |slot: &str, key: &str| format!(r#"{{"slot":"{slot}","key":"{key}","login":"00"}}"#);
        let pointer = Pointer::parse(&text("b", key)).unwrap();
        assert_eq!((pointer.slot, &pointer.key_text()[..]), (Slot::B, key.as_bytes()));
        for odd in [text("c", key), text("a", ""), text("a", "AAAA"), "true".into(), "{}".into(), "[]".into()]
        {
            assert!(Pointer::parse(&odd).is_none(), "{odd}");
        }
    }
}
