use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claude_store::{Entry, ExpiresAt};
use jiff::Timestamp;
use oauth_secret::{AccessToken, TokenDigest};
use serde::Deserialize;
use zeroize::Zeroizing;

/// An entry as read, with everything that decisions need: digests and expiry are computed when the
/// document changes, not for each plan.
#[derive(Clone, Debug)]
pub struct ObservedEntry {
    /// The entry as the store holds it.
    pub entry: Entry,
    /// Which access token it holds.
    pub access: Option<TokenDigest>,
    /// Which refresh token it holds.
    pub refresh: Option<TokenDigest>,
    /// When its access token ends.
    pub expiry: Expiry,
}

/// When an access token expires, as far as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At this moment (wall clock), as `expiresAt` says.
    At(Timestamp),
    /// At this moment, according to the token itself; the client ignores that.
    Claimed(Timestamp),
    /// Unknown from entry and token. The client takes this as "does not expire".
    Unknown,
}

impl Expiry {
    /// The moment, from either source.
    #[must_use]
    pub fn moment(self) -> Option<Timestamp> {
        match self {
            Self::At(at) | Self::Claimed(at) => Some(at),
            Self::Unknown => None,
        }
    }
}

impl ObservedEntry {
    /// Computes what decisions need.
    #[must_use]
    pub fn new(entry: Entry) -> Self {
        let access = entry.access_token.as_ref().map(AccessToken::digest);
        let refresh = entry.refresh_token.as_ref().map(oauth_secret::RefreshToken::digest);
        let expiry = expiry_of(&entry);
        Self { entry, access, refresh, expiry }
    }

    /// When its refresh token expires, if it is a JWT that says so.
    pub(crate) fn refresh_token_lapses_at(&self) -> Option<Timestamp> {
        self.entry.refresh_token.as_ref().and_then(|token| jwt_expiry(token.expose()))
    }

    /// Whether its access token is a JWT issued for this resource (RFC 9068, section 2.2; RFC 8707, section 2.2).
    pub(crate) fn is_for(&self, resource: &str) -> bool {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Audience {
            One(String),
            Several(Vec<String>),
        }
        #[derive(Deserialize)]
        struct Claims {
            aud: Audience,
        }
        let claims = self.entry.access_token.as_ref().and_then(|token| jwt_claims(token.expose()));
        let is_it = |audience: &String| audience.trim_end_matches('/') == resource.trim_end_matches('/');
        match claims.and_then(|claims| serde_json::from_slice(&claims).ok()) {
            Some(Claims { aud: Audience::One(audience) }) => is_it(&audience),
            Some(Claims { aud: Audience::Several(audiences) }) => audiences.iter().any(is_it),
            None => false,
        }
    }

    /// Whether both hold the same tokens with the same expiry, or lack them for the same reason.
    pub(crate) fn holds_same(&self, other: &Self) -> bool {
        let held = |seen: &Self| (seen.access, seen.refresh, seen.expiry, seen.entry.stub_kind());
        held(self) == held(other)
    }
}

/// `expiresAt`, else the `exp` claim of a JWT (RFC 7519, section 4.1.4; not verified: it only schedules), else unknown.
/// `expiresAt` 0 is "always expired" to the client, whatever the token says, and so it is here.
fn expiry_of(entry: &Entry) -> Expiry {
    match entry.expires_at {
        ExpiresAt::At(milliseconds) => {
            Expiry::At(Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX))
        }
        ExpiresAt::Zero => Expiry::At(Timestamp::UNIX_EPOCH),
        ExpiresAt::Absent => match entry.access_token.as_ref().and_then(|token| jwt_expiry(token.expose())) {
            Some(ends) => Expiry::Claimed(ends),
            None => Expiry::Unknown,
        },
    }
}

/// When a JWT expires according to its own claims.
fn jwt_expiry(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let Claims { exp } = serde_json::from_slice(&jwt_claims(token)?).ok()?;
    // NumericDate may carry a fraction; whole seconds are enough, and rounding down is the safe side.
    (exp > 0.0 && exp < 253_402_300_799.0).then(|| Timestamp::from_second(exp as i64).ok())?
}

/// The claims of a JWT (RFC 7519), decoded and not verified.
fn jwt_claims(token: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
    // serde would accept a list as the claims in order.
    let first = claims.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    (first == Some(&b'{')).then_some(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use claude_store::EntryKey;

    fn expiry(claims: &str) -> Expiry {
        let mut entry = Entry::named(EntryKey::new("lab|00"));
        let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        entry.access_token = Some(AccessToken::new(token));
        ObservedEntry::new(entry).expiry
    }

    #[test]
    fn only_an_object_holds_claims() {
        let ends = Expiry::Claimed(Timestamp::from_second(1_795_381_774).unwrap());
        assert_eq!(expiry(r#"{"exp":1795381774}"#), ends);
        assert_eq!(expiry(r#" {"exp":1795381774.5}"#), ends);
        // A form feed is not whitespace in JSON.
        for odd in ["[1795381774]", "1795381774", "", "{}", "\u{c}{\"exp\":1795381774}"] {
            assert_eq!(expiry(odd), Expiry::Unknown, "{odd}");
        }
    }
}
