use crate::Shape;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The answer to one refresh. By default the server is honest: it processes the grant and sends the whole result.
///
/// The order is fixed: wait [`before`](Self::before), process the grant if the answer [`spends`](Self::spends), wait
/// [`after`](Self::after), send. So a slow server that rotates late uses `before`, one that rotates early uses `after`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answer {
    /// Delay before the grant is processed.
    #[serde(rename = "before_s", with = "crate::seconds")]
    pub before: Duration,
    /// Whether the grant is processed at all: the refresh token is checked, spent and rotated.
    pub spends: bool,
    /// Delay between processing and reply.
    #[serde(rename = "after_s", with = "crate::seconds")]
    pub after: Duration,
    /// Sent instead of the result. Without it and without processing: an empty 503.
    pub reply: Option<HttpReply>,
    /// The format of the result.
    pub shape: Shape,
    /// How the bytes are sent.
    pub delivery: Delivery,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            before: Duration::ZERO,
            spends: true,
            after: Duration::ZERO,
            reply: None,
            shape: Shape::default(),
            delivery: Delivery::Whole,
        }
    }
}

impl Answer {
    /// The honest answer in another format.
    #[must_use]
    pub fn shaped(shape: Shape) -> Self {
        Self { shape, ..Self::default() }
    }

    /// Rotates the grant, then closes the connection without a byte.
    #[must_use]
    pub fn lost() -> Self {
        Self { delivery: Delivery::Close, ..Self::default() }
    }

    /// Closes the connection without a byte, leaving the grant alone.
    #[must_use]
    pub fn dropped() -> Self {
        Self { spends: false, delivery: Delivery::Close, ..Self::default() }
    }

    /// Rotates the grant and truncates the body after this many bytes.
    #[must_use]
    pub fn cut(bytes: usize) -> Self {
        Self { delivery: Delivery::CutBody { bytes }, ..Self::default() }
    }

    /// Never answers, leaving the grant alone.
    #[must_use]
    pub fn hangs() -> Self {
        Self { spends: false, delivery: Delivery::Hang, ..Self::default() }
    }

    /// This status with a short JSON body; leaves the grant alone (see [`spending`](Self::spending)).
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::reply(HttpReply::json(status, r#"{"error":"temporarily_unavailable"}"#))
    }

    /// An OAuth error (RFC 6749, section 5.2); leaves the grant alone.
    #[must_use]
    pub fn error(status: u16, code: &str, description: &str) -> Self {
        let body = serde_json::json!({"error": code, "error_description": description});
        Self::reply(HttpReply::json(status, &body.to_string()))
    }

    /// An HTML page, as from a captive portal; leaves the grant alone.
    #[must_use]
    pub fn html(status: u16) -> Self {
        Self::reply(HttpReply {
            status,
            content_type: "text/html; charset=utf-8".to_owned(),
            body:
                "<!DOCTYPE html><html><head><title>Welcome</title></head><body><form>…</form></body></html>"
                    .to_owned(),
            ..HttpReply::default()
        })
    }

    /// An error with status 200, like Slack; leaves the grant alone.
    #[must_use]
    pub fn slack(error: &str) -> Self {
        Self::reply(HttpReply::json(200, &serde_json::json!({"ok": false, "error": error}).to_string()))
    }

    /// A redirect that preserves the method (307); leaves the grant alone.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        let mut reply = HttpReply::json(307, "");
        reply.headers.insert("Location".to_owned(), location.to_owned());
        Self::reply(reply)
    }

    /// This reply; leaves the grant alone.
    #[must_use]
    pub fn reply(reply: HttpReply) -> Self {
        Self { spends: false, reply: Some(reply), ..Self::default() }
    }

    /// Processes the grant anyway: for example, a 500 after the rotation.
    #[must_use]
    pub fn spending(mut self) -> Self {
        self.spends = true;
        self
    }

    /// A delay before the grant is processed: slow, rotates late.
    #[must_use]
    pub fn before(mut self, wait: Duration) -> Self {
        self.before = wait;
        self
    }

    /// A delay after the grant is processed: slow, rotates early.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.after = wait;
        self
    }

    /// `Retry-After` in seconds; the answer must have a [`reply`](Self::reply).
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        self.with_retry_after(RetryAfter::Seconds(wait.as_secs()))
    }

    /// `Retry-After` as a date this far ahead; the answer must have a [`reply`](Self::reply).
    #[must_use]
    pub fn retry_after_date(self, wait: Duration) -> Self {
        self.with_retry_after(RetryAfter::Date(wait.as_secs()))
    }

    fn with_retry_after(mut self, retry_after: RetryAfter) -> Self {
        let reply = self.reply.get_or_insert_with(HttpReply::default);
        reply.retry_after = Some(retry_after);
        self
    }

    /// Sent in another way.
    #[must_use]
    pub fn delivered(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }
}

/// An HTTP response unrelated to the grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpReply {
    /// Status code.
    pub status: u16,
    /// `Content-Type`; empty for none.
    pub content_type: String,
    /// More headers.
    pub headers: BTreeMap<String, String>,
    /// `Retry-After`.
    pub retry_after: Option<RetryAfter>,
    /// The body.
    pub body: String,
}

impl Default for HttpReply {
    fn default() -> Self {
        Self {
            status: 503,
            content_type: String::new(),
            headers: BTreeMap::new(),
            retry_after: None,
            body: String::new(),
        }
    }
}

impl HttpReply {
    /// A JSON body.
    #[must_use]
    pub fn json(status: u16, body: &str) -> Self {
        Self { status, content_type: "application/json".to_owned(), body: body.to_owned(), ..Self::default() }
    }
}

/// The two forms of `Retry-After` (RFC 9110, section 10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// A date, this many seconds after the answer.
    Date(u64),
}

/// How an answer's bytes are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// All at once.
    #[default]
    Whole,
    /// None: the connection closes in order (FIN).
    Close,
    /// None: the connection is reset (RST).
    Reset,
    /// None, until the client gives up.
    Hang,
    /// The first bytes of the whole response, including the status line; then the connection closes.
    Cut {
        /// How many.
        bytes: usize,
    },
    /// The whole head, announcing the whole body, and the first bytes of the body; then the connection closes.
    CutBody {
        /// How many.
        bytes: usize,
    },
    /// The head at once, then one byte of the body at a time.
    Drip {
        /// Delay before each byte.
        #[serde(rename = "every_s", with = "crate::seconds")]
        every: Duration,
    },
    /// The body in chunks, followed by endless white space: valid JSON at any moment, but never finished.
    Endless,
}
