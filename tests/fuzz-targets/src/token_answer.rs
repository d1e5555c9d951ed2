use crate::head::head;
use crate::plain;
use jiff::Timestamp;
use token_endpoint::{Answer, RawAnswer, interpret};
use url::form_urlencoded;

/// The minimum length of a plausible token (shorter ones are not masked in messages).
const TOKEN: usize = 20;

/// What the answer of a token endpoint means.
///
/// If a plain reading of a 2xx answer finds an access token, that token and its refresh token are returned: neither is ever lost.
/// The answer means the same after a round trip through the journal. No message or debug output contains its tokens.
///
/// Input: the status; `Content-Type`; `Content-Encoding`; `Retry-After`; `Date`; `Location`; then the body.
pub fn token_answer(input: &[u8]) {
    let ([status, content_type, content_encoding, retry_after, date, location], body) = head(input);
    let present = |header: String| (!header.is_empty()).then_some(header);
    let raw = RawAnswer {
        content_type: present(content_type),
        content_encoding: present(content_encoding),
        retry_after: present(retry_after),
        date: present(date),
        location: present(location),
        ..RawAnswer::new(status.parse().unwrap_or(200), body)
    };
    let now = Timestamp::UNIX_EPOCH;
    let answer = interpret(&raw, now);
    let kept = raw.to_bytes().expect("every answer can be kept");
    let kept = RawAnswer::from_bytes(&kept).expect("what was kept can be read");
    assert!(kept == raw && interpret(&kept, now) == answer, "a journal changes what an answer means");

    if matches!(raw.status, 200..=299)
        && raw.content_encoding.is_none()
        && let Some((access, refresh)) = plain_reading(body)
    {
        let Answer::Fresh(pair) = &answer else { panic!("a pair was lost: {answer:?}") };
        assert_eq!(pair.access_token.expose(), access);
        assert_eq!(pair.refresh_token.as_ref().map(|token| token.expose().to_owned()), refresh);
    }
    no_token_is_shown(&raw, answer, body);
}

/// The access token and the refresh token of a body that holds them beyond doubt.
fn plain_reading(body: &[u8]) -> Option<(String, Option<String>)> {
    let text = std::str::from_utf8(body).ok()?;
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    if let Some(members) = plain::members(text) {
        let member = |key| plain::last(text, &members, key).and_then(plain::string).and_then(given);
        // Nobody can keep a rotated token that is not valid Unicode.
        return Some((member("access_token")?, member("refresh_token")));
    }
    if !text.starts_with("access_token=") || text.contains(char::is_whitespace) {
        return None;
    }
    let pairs: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
    let member = |key: &str| pairs.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    Some((member("access_token").and_then(given)?, member("refresh_token").and_then(given)))
}

fn no_token_is_shown(raw: &RawAnswer, answer: Answer, body: &[u8]) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    let Some(members) = plain::members(text) else { return };
    let mut shown = format!("{raw:?}").replace(&format!("{:?}", raw.content_type), "");
    // A redirect's `Location` and the scope are not secrets, whatever they contain.
    let scope = match &answer {
        Answer::Fresh(pair) => pair.scope.clone().unwrap_or_default(),
        _ => String::new(),
    };
    let said = [raw.location.as_deref().unwrap_or_default(), &scope].concat().to_ascii_lowercase();
    shown += &format!("{answer:?}");
    for key in ["access_token", "refresh_token", "id_token"] {
        let token = plain::last(text, &members, key).and_then(plain::string).unwrap_or_default();
        let is_token = token.len() >= TOKEN
            && token.chars().all(|c| c.is_ascii_graphic())
            && token.contains(|c: char| c.is_ascii_digit());
        if is_token && !said.contains(&token.to_ascii_lowercase()) {
            assert!(!shown.contains(&token), "a token is shown: {shown}");
        }
    }
}
