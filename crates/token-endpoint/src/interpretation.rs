use crate::{
    Answer, RawAnswer,
    body::{self, Members},
    date, grant,
    lifetime::Given,
    refusal::Refusal,
};
use jiff::Timestamp;
use url::Url;

/// Size limit for an error body that is read as a sentence.
const LONGEST_SENTENCE: usize = 2048;

/// Determines what a response means for the refresh token that was presented.
///
/// Pure: a response means the same when it is read from a journal after a crash. `now` is only used for dates in a response without
/// `Date`. No error contains text from a successful response.
pub fn interpret(answer: &RawAnswer, now: Timestamp) -> Answer {
    let status = answer.status;
    match status {
        200..=299 => success(answer, now),
        300..=399 => redirect(answer, now),
        // It came from inside the server, not from its front end: what it had done by then is unknown.
        503 if failed_inside(answer) => failure(answer, now),
        // Each of these proves that the request was not processed: RFC 6585 sections 4 and 6, RFC 9110 sections 15.5.9 and 15.6.4, RFC 8470;
        // GoTrue and others answer 409 and 423 while another refresh of the same session is running.
        408 | 409 | 423 | 425 | 429 | 503 | 511 => {
            Answer::Transient { why: meaning_of(status), retry_after: date::retry_after(answer, now) }
        }
        400..=499 => refusal(answer, now),
        // The server does not support the operation, so it did not perform it.
        501 | 505 => Answer::Refused { code: format!("http_{status}"), detail: meaning_of(status) },
        // The server, or a proxy in front of it, failed at an unknown moment.
        _ => failure(answer, now),
    }
}

/// A failure in or before the server. What it says about the token is not reliable, unless it relays another server's answer.
fn failure(answer: &RawAnswer, now: Timestamp) -> Answer {
    let text = body::text(answer);
    let refusal = Members::parse(&text).as_ref().and_then(Refusal::of);
    if let Some(behind) = refusal.as_ref().and_then(|refusal| refusal.behind(answer, now)) {
        return behind;
    }
    let said = refusal.map(|refusal| refusal.summary(answer.status));
    let why = [Some(meaning_of(answer.status)), said].into_iter().flatten().collect::<Vec<_>>().join("; ");
    Answer::Ambiguous { why, lost: false }
}

/// Whether a 503 contains an OAuth error of a server that failed while working (RFC 6749, section 4.1.2.1: `server_error`).
fn failed_inside(answer: &RawAnswer) -> bool {
    let text = body::text(answer);
    Members::parse(&text).as_ref().and_then(Refusal::of).is_some_and(|refusal| refusal.is_failure())
}

/// Whether the status alone is conclusive, so that a broken body does not matter.
pub(crate) fn status_says_all(status: u16) -> bool {
    matches!(status, 300..=399 | 408 | 409 | 423 | 425 | 429 | 501 | 503 | 505 | 511)
}

/// Whether an incomplete body contains a whole JSON object all the same.
pub(crate) fn is_whole(answer: &RawAnswer) -> bool {
    Members::parse(&body::text(answer)).is_some()
}

fn success(answer: &RawAnswer, now: Timestamp) -> Answer {
    let text = body::text(answer);
    let form = body::form_as_json(&text);
    let json = form.as_deref().unwrap_or(&text);
    let Some(members) = Members::parse(json) else {
        return not_json(answer, &text);
    };
    let given = Given { by_server: date::date_header(answer), by_us: now };
    if let Some(pair) = grant::pair(&members, given) {
        return Answer::Fresh(pair);
    }
    // We asked for a refresh and nothing else, so a single pair one level down (Slack's `authed_user`, a `data` wrapper) is the pair;
    // between two pairs we cannot choose.
    let mut nested = members.objects().filter_map(|inner| grant::pair(&inner, given));
    if let (Some(pair), None) = (nested.next(), nested.next()) {
        return Answer::Fresh(pair);
    }
    match Refusal::of(&members) {
        Some(refusal) if Refusal::is_error(&members) => refusal.meaning(answer, now),
        _ => Answer::Ambiguous {
            why: format!("HTTP {} without an access token and without an error", answer.status),
            lost: false,
        },
    }
}

/// A 2xx response whose body is not a JSON object.
fn not_json(answer: &RawAnswer, text: &str) -> Answer {
    let status = answer.status;
    if text.contains("access_token") {
        let why =
            format!("the response was cut off or damaged: HTTP {status} with an unreadable access token");
        return Answer::Ambiguous { why, lost: true };
    }
    if body::is_page(answer, text) {
        let why = format!(
            "HTTP {status} with a web page instead of a token: the network's login page, or a server under maintenance"
        );
        return Answer::Transient { why, retry_after: None };
    }
    let why = if text.is_empty() {
        format!("HTTP {status} without a body")
    } else {
        format!("HTTP {status} with a body that is not JSON")
    };
    Answer::Ambiguous { why, lost: text.is_empty() || text.starts_with('{') }
}

fn refusal(answer: &RawAnswer, now: Timestamp) -> Answer {
    let text = body::text(answer);
    let form = body::form_as_json(&text);
    let json = form.as_deref().unwrap_or(&text);
    let members = Members::parse(json).or_else(|| body::first_of_list(json));
    if let Some(refusal) = members.as_ref().and_then(Refusal::of) {
        return refusal.meaning(answer, now);
    }
    let page = body::is_page(answer, &text);
    if !page && !text.is_empty() && text.len() <= LONGEST_SENTENCE {
        return Refusal::of_text(&text).meaning(answer, now);
    }
    let what = if page { "a web page" } else { "no reason" };
    let code = format!("http_{}", answer.status);
    Answer::Refused { code, detail: format!("{} with {what} in the response", meaning_of(answer.status)) }
}

/// A redirect to another place is never followed: it would take the refresh token to an untrusted endpoint. By definition (RFC 9110,
/// section 15.4), a temporary one is transient, and a permanent one says that the endpoint has moved.
fn redirect(answer: &RawAnswer, now: Timestamp) -> Answer {
    let status = answer.status;
    let target = match answer.location.as_deref().map(Url::parse) {
        // Only the origin: path and query may contain anything.
        Some(Ok(url)) if url.has_host() => format!("to {}", crate::origin_of(&url)),
        Some(_) => "to another path".to_owned(),
        None => "to nowhere".to_owned(),
    };
    let detail = format!("HTTP {status}, a redirect {target}, which is not followed with a token");
    match status {
        302 | 303 | 307 => Answer::Transient { why: detail, retry_after: date::retry_after(answer, now) },
        _ => Answer::Refused { code: format!("http_{status}"), detail },
    }
}

fn meaning_of(status: u16) -> String {
    let name = match status {
        408 => "the server did not receive the whole request in time",
        409 | 423 => "the server is busy with another request for the same grant",
        429 => "the server asks for fewer requests",
        500 => "the server failed",
        502 => "the proxy in front of the server got no valid response",
        503 => "the server is unavailable",
        504 | 524 => "the proxy in front of the server timed out",
        511 => "the network requires a login",
        520..=530 => "Cloudflare got no valid response from the server",
        404 | 410 => "there is no token endpoint here",
        405 | 501 => "the endpoint does not accept POST",
        407 => "the proxy requires a password",
        505 => "the server does not support HTTP/1.1",
        other => {
            return http::StatusCode::from_u16(other)
                .ok()
                .and_then(|status| status.canonical_reason())
                .map_or_else(|| format!("HTTP {other}"), |reason| format!("HTTP {other}, {reason}"));
        }
    };
    format!("HTTP {status}, {name}")
}

#[cfg(test)]
mod tests;
