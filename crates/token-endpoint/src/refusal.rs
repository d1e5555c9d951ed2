use crate::{Answer, RawAnswer, body::Members, cleaned::cleaned, date, shape::Complaint};
use jiff::Timestamp;

/// Codes that mean the refresh token will never work again: RFC 6749, then GitHub, Slack, GoTrue and others.
const DEAD: &[&str] = &[
    "invalid_grant",
    "invalid_refresh_token",
    "bad_refresh_token",
    "expired_refresh_token",
    "refresh_token_expired",
    "refresh_token_not_found",
    "refresh_token_already_used",
    "refresh_token_revoked",
    "session_expired",
    "session_not_found",
    "token_expired",
    "token_revoked",
    "expired_token",
    // FastAPI and Express servers that use the bearer token's code for the refresh token (RFC 6750, section 3.1).
    "invalid_token",
    // The terms of token introspection (RFC 7662), which Hydra and others pass on.
    "token_inactive",
    "inactive_token",
    "user_not_found",
    "user_banned",
    "account_inactive",
];

/// Codes that mean the client is unknown or its secret is wrong: RFC 6749, then GitHub and Slack.
const CLIENT_DEAD: &[&str] = &[
    "invalid_client",
    "invalid_client_id",
    "bad_client_secret",
    "incorrect_client_credentials",
    "client_not_found",
    "unknown_client",
    "unrecognized_client",
    "unrecognized_client_id",
];

/// Codes of a transient failure before anything was done.
const TRANSIENT: &[&str] = &[
    "temporarily_unavailable",
    "service_unavailable",
    "slow_down",
    "ratelimited",
    "rate_limited",
    "rate_limit_exceeded",
    "over_request_rate_limit",
    "too_many_requests",
    "request_timeout",
];

/// Codes of a failure during processing.
const AMBIGUOUS: &[&str] = &["server_error", "internal_error", "internal_server_error", "fatal_error"];

/// Other codes of 20 or more characters that are words, not tokens.
const LONG_WORDS: &[&str] =
    &["unsupported_grant_type", "unsupported_response_type", "interaction_required", "consent_required"];

/// Phrases used instead of `invalid_grant`, in the form of [`squeezed`]: Atlassian answers 403
/// `unauthorized_client: refresh_token is invalid`, Zitadel 400 `invalid_request … RefreshTokenInvalid`.
const DEAD_WORDS: &[&str] = &[
    "refreshtokeninvalid",
    "refreshtokenisinvalid",
    "refreshtokenisnotvalid",
    "refreshtokennotvalid",
    "invalidrefreshtoken",
    "refreshtokenexpired",
    "refreshtokenisexpired",
    "refreshtokenhasexpired",
    "expiredrefreshtoken",
    "refreshtokenrevoked",
    "refreshtokenisrevoked",
    "refreshtokenwasrevoked",
    "refreshtokenhasbeenrevoked",
    "revokedrefreshtoken",
    "refreshtokennotfound",
    "refreshtokendoesnotexist",
    "refreshtokenalreadyused",
    "refreshtokenhasalreadybeenused",
    "refreshtokenreuse",
    "unknownrefreshtoken",
    "refreshtokennolongervalid",
    "refreshtokenisnolongervalid",
    "tokenisnolongervalid",
    "grantisnolongervalid",
];

/// Phrases sent with `invalid_request` by servers that keep the login in a session; elsewhere a session may be something else.
const DEAD_SESSION_WORDS: &[&str] =
    &["sessionnotfound", "sessionhasexpired", "sessionexpired", "sessionisnolongervalid"];

/// Phrases used instead of `invalid_client` (Keycloak answers `unauthorized_client: Invalid client or Invalid client
/// credentials`, Entra AADSTS700016 for a deleted application).
const CLIENT_DEAD_WORDS: &[&str] = &[
    "invalidclient",
    "unknownclient",
    "clientnotfound",
    "clientdoesnotexist",
    "clientisnotregistered",
    "clientnotregistered",
    // Servers on FastAPI: 422 "Unrecognized client_id".
    "unrecognizedclientid",
    "unknownclientid",
    "invalidclientid",
    // `unauthorized_client: Client authentication failed`.
    "clientauthenticationfailed",
    // `invalid_request: Missing client credentials`: the entry has lost its client.
    "missingclientcredentials",
    "clientcredentialsaremissing",
    "aadsts700016",
];

/// The server's own reason for the refusal.
pub(crate) struct Refusal {
    code: String,
    text: String,
}

impl Refusal {
    /// The error in a response's members, in RFC 6749's form (section 5.2) or a common variant: an object under `error`, `errorCode`
    /// (Okta), `error_code` and `msg` (GoTrue), `ok: false` (Slack), `success: false`, an array under `errors`, `message` (NestJS) or
    /// `detail` (FastAPI).
    pub(crate) fn of(members: &Members<'_>) -> Option<Self> {
        let nested = ["error", "errors"].iter().find_map(|name| members.first_object(name));
        let inside = |names: &[&str]| {
            nested.as_ref().and_then(|nested| names.iter().find_map(|name| nested.text(name)))
        };
        let outside = |names: &[&str]| names.iter().find_map(|name| members.text(name));
        let code = members
            .text("error")
            .or_else(|| inside(&["code", "type", "error", "status"]))
            .or_else(|| outside(&["error_code", "errorCode", "code"]));
        let said = ["message", "detail", "errors", "error"];
        let text = outside(&[
            "error_description",
            "message",
            "msg",
            "errorSummary",
            "error_message",
            "detail",
            "description",
        ])
        .or_else(|| inside(&["error_description", "message", "description", "detail", "title"]))
        .or_else(|| said.iter().find_map(|name| members.texts(name)));
        let failed = members.has("error") || Self::says_no(members);
        if code.is_none() && text.is_none() && !failed {
            return None;
        }
        // `unauthorized_client: refresh_token is invalid` in one member is a code and its text.
        let code = code.unwrap_or_default();
        let (code, rest) = code.split_once(':').unwrap_or((&code, ""));
        let text = [rest.trim(), text.as_deref().unwrap_or_default()].join(" ");
        Some(Self { code: code.trim().to_owned(), text: text.trim().to_owned() })
    }

    /// Whether the members can only be an error: a code, `ok: false` or `success: false`.
    pub(crate) fn is_error(members: &Members<'_>) -> bool {
        ["error", "errors", "error_code", "errorCode"].iter().any(|name| members.has(name))
            || Self::says_no(members)
    }

    fn says_no(members: &Members<'_>) -> bool {
        ["ok", "success"].iter().any(|name| members.raw(name) == Some("false"))
    }

    /// An error that is plain text.
    pub(crate) fn of_text(text: &str) -> Self {
        Self { code: String::new(), text: text.to_owned() }
    }

    /// Whether the server reports its own failure.
    pub(crate) fn is_failure(&self) -> bool {
        AMBIGUOUS.contains(&self.code.to_lowercase().as_str())
    }

    /// Interprets the refusal of an upstream server that is hidden by a proxy: the proxy of @modelcontextprotocol/sdk 1.32.2 turns
    /// `invalid_grant` into `server_error: Token refresh failed: 400` and keeps only the number. The upstream server has answered, so the
    /// outcome is known; a dead login is by far the most common reason, and it is checked again before it is believed.
    pub(crate) fn behind(&self, answer: &RawAnswer, now: Timestamp) -> Option<Answer> {
        let status =
            self.text.strip_prefix("Token refresh failed: ").filter(|_| self.code == "server_error")?;
        let (code, detail) = (self.code.clone(), cleaned(&self.text));
        match status {
            "400" | "401" | "403" => Some(Answer::Dead { code, detail }),
            "408" | "409" | "423" | "425" | "429" => Some(Answer::Transient {
                why: format!("the upstream server refused for now: {detail}"),
                retry_after: date::retry_after(answer, now),
            }),
            _ => None,
        }
    }

    /// Code and text in one line, for messages.
    pub(crate) fn summary(&self, status: u16) -> String {
        [self.shown_code(status), cleaned(&self.text)].join(": ").trim_end_matches(": ").to_owned()
    }

    /// Interprets the refusal. The status matters only if the server's own code is inconclusive: `invalid_grant` comes with 400, 401,
    /// 403 and 200.
    pub(crate) fn meaning(&self, answer: &RawAnswer, now: Timestamp) -> Answer {
        let known = self.code.to_lowercase();
        let is = |codes: &[&str]| codes.contains(&known.as_str());
        let words = squeezed(&[known.as_str(), ". ", &self.text].concat());
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
        let code = self.shown_code(answer.status);
        let detail = match cleaned(&self.text) {
            text if text.is_empty() => format!("no reason given (HTTP {})", answer.status),
            text => text,
        };

        // Check for objections to the request's form first: Entra reports some of them as `invalid_grant`.
        if Complaint::of(&known, &self.text).is_some() && !says(DEAD_WORDS) {
            return Answer::Refused { code, detail };
        }
        if is(TRANSIENT) {
            let why = format!("the server answered {code}: {detail}");
            return Answer::Transient { why, retry_after: date::retry_after(answer, now) };
        }
        if is(AMBIGUOUS) {
            if let Some(behind) = self.behind(answer, now) {
                return behind;
            }
            return Answer::Ambiguous { why: format!("the server failed: {code}: {detail}"), lost: false };
        }
        if is(CLIENT_DEAD) {
            return Answer::ClientDead { code, detail };
        }
        if is(DEAD) || says(DEAD_WORDS) || known == "invalid_request" && says(DEAD_SESSION_WORDS) {
            return Answer::Dead { code, detail };
        }
        if says(CLIENT_DEAD_WORDS) {
            return Answer::ClientDead { code, detail };
        }
        // What remains includes a plain `unauthorized_client`: by RFC 6749 the client is known but may not refresh. The policy may be about to
        // change, and servers also use the code for other things: retry a few times, then notify the user.
        match answer.status {
            404 | 405 | 410 => Answer::Refused { code: format!("http_{}", answer.status), detail },
            _ => Answer::Refused { code, detail },
        }
    }

    /// The code for display: a known one as is, any other unless it looks like a token.
    fn shown_code(&self, status: u16) -> String {
        let known = self.code.to_lowercase();
        if [DEAD, CLIENT_DEAD, TRANSIENT, AMBIGUOUS, LONG_WORDS]
            .iter()
            .any(|codes| codes.contains(&known.as_str()))
        {
            return known;
        }
        match cleaned(&self.code) {
            code if code.is_empty() || code.contains('…') => format!("http_{status}"),
            code => code,
        }
    }
}

/// Letters and digits in lower case, with a bar between clauses: the same form for `refresh_token is invalid`, `Refresh token is invalid`
/// and `refresh-token is invalid`, without matching words across two sentences.
fn squeezed(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            c if c.is_ascii_alphanumeric() => Some(c.to_ascii_lowercase()),
            '.' | ',' | ';' | '!' | '?' | '(' | ')' | '|' => Some('|'),
            _ => None,
        })
        .collect()
}
