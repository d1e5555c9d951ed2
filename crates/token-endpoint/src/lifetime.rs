//! A token's lifetime, in the many forms that servers use.

use crate::body::Members;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;
use zeroize::Zeroizing;

/// A longer lifetime means "forever" or uses another unit: it is ignored.
const LONGEST: f64 = 100.0 * 365.25 * 86_400.0;
/// A smaller number (September 2001 in seconds) is not a time.
const EARLIEST_MOMENT: f64 = 1e9;
/// A number from here on (the year 5138 in seconds) is in milliseconds.
const IN_MILLISECONDS: f64 = 1e11;

/// The time of a response.
#[derive(Clone, Copy)]
pub(crate) struct Given {
    /// By the server's own clock (`Date`), if stated.
    pub(crate) by_server: Option<Timestamp>,
    /// By the local clock.
    pub(crate) by_us: Timestamp,
}

/// Whole seconds, as a number or a string; `None` if implausible.
pub(crate) fn named(members: &Members<'_>, names: &[&str]) -> Option<u64> {
    let seconds = |name: &&str| members.raw(name)?.trim_matches('"').trim().parse().ok();
    names.iter().find_map(|name| seconds(name).and_then(meant))
}

/// The lifetime of a token whose expiry is given as a time: seconds or milliseconds since 1970, as a number or a string, or a date
/// (RFC 3339). (@better-auth/mcp 1.7.5 sends `expires_at`, Entra's first version `expires_on`.)
pub(crate) fn until(members: &Members<'_>, names: &[&str], given: Given) -> Option<u64> {
    let moment = |name: &&str| {
        let text = members.raw(name)?.trim_matches('"').trim();
        if let Ok(number) = text.parse::<f64>() {
            let seconds = if number >= IN_MILLISECONDS { number / 1000.0 } else { number };
            return (seconds >= EARLIEST_MOMENT).then_some(seconds);
        }
        text.parse::<Timestamp>().ok().map(|at| at.as_millisecond() as f64 / 1000.0)
    };
    let at = given.by_server.unwrap_or(given.by_us);
    names.iter().find_map(|name| meant(moment(name)? - at.as_millisecond() as f64 / 1000.0))
}

/// The lifetime in a token's own claims if it is a JWT (RFC 7519, section 4.1.4; not verified, since it is only used for scheduling):
/// by the server's clock, else from its `iat`, else by the local clock.
pub(crate) fn claimed(token: &str, given: Given) -> Option<u64> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
        iat: Option<f64>,
    }
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
    // An array would be deserialized as if its items were the claims in order.
    let first = claims.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    let Claims { exp, iat } = (first == Some(&b'{')).then(|| serde_json::from_slice(&claims).ok())??;
    let seconds = |at: Timestamp| at.as_second() as f64;
    let since = [given.by_server.map(seconds), iat, Some(seconds(given.by_us))];
    since.into_iter().flatten().find_map(|since| meant(exp - since))
}

/// From 1 second to a hundred years: within the range of u64, and anything below a second is not a lifetime.
fn meant(seconds: f64) -> Option<u64> {
    (1.0..=LONGEST).contains(&seconds).then_some(seconds as u64)
}
