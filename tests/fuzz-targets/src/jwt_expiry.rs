use crate::plain;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claude_store::{Entry, EntryKey};
use jiff::Timestamp;
use oauth_secret::AccessToken;
use refresh_engine::{Expiry, ObservedEntry};

/// The `exp` claim of an access token, for an entry without `expiresAt`.
///
/// A claim that a plain reading finds is found, to the second; nothing else is taken for one.
///
/// Input: the claims of a token, as JSON; and the same bytes as a whole token.
pub fn jwt_expiry(input: &[u8]) {
    let _ = expiry(&String::from_utf8_lossy(input));

    if std::str::from_utf8(input).is_err() {
        return;
    }
    let claims = std::str::from_utf8(input).ok();
    let members = claims.and_then(plain::members);
    let claimed = claims.zip(members.as_deref()).and_then(|(claims, members)| {
        let mut named = members.iter().filter(|member| member.is("exp"));
        let (Some(only), None) = (named.next(), named.next()) else { return None };
        claims[only.value.clone()]
            .parse::<f64>()
            .ok()
            .filter(|exp| *exp > 0.0 && *exp < Timestamp::MAX.as_second() as f64)
    });
    let whole_keys = members.is_some_and(|members| members.iter().all(|member| member.key.is_some()));
    match expiry(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(input))) {
        Expiry::Claimed(ends) => {
            let claimed = claimed.expect("a claim that nobody else finds");
            // Readers may differ in the last digit of a fraction.
            assert!((claimed.floor() - ends.as_second() as f64).abs() <= 1.0, "{claimed} became {ends}");
        }
        Expiry::Unknown => assert!(claimed.is_none() || !whole_keys, "{claimed:?} was not found"),
        Expiry::At(at) => panic!("the entry does not say {at}"),
    }
}

fn expiry(token: &str) -> Expiry {
    let mut entry = Entry::named(EntryKey::new("lab|00"));
    entry.access_token = Some(AccessToken::new(token));
    ObservedEntry::new(entry).expiry
}
