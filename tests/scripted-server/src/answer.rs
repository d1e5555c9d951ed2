use crate::Shape;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How one refresh is answered. The default is an honest server: the grant is processed and the result delivered whole.
///
/// The order is fixed: wait [`before`](Self::before), process the grant if the answer [`spends`](Self::spends), wait
/// [`after`](Self::after), send. So "slow, rotates last" is `before`, "slow, rotates first" is `after`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answer {
    /// Wait before the grant is processed.
    #[serde(rename = "before_s", with = "crate::seconds")]
    pub before: Duration,
    /// Whether the grant is processed at all: the refresh token checked, spent and rotated.
    pub spends: bool,
    /// Wait between the processing and the reply.
    #[serde(rename = "after_s", with = "crate::seconds")]
    pub after: Duration,
    /// Sent instead of the processing's own result. Without it and without processing: an empty 503.
    pub reply: Option<HttpReply>,
    /// The form of the processing's own result.
    pub shape: Shape,
    /// How the bytes go out.
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
    /// The honest answer in another form.
    #[must_use]
    pub fn shaped(shape: Shape) -> Self {
        Self { shape, ..Self::default() }
    }

    /// The grant is rotated, then the connection closes without a byte.
    #[must_use]
    pub fn lost() -> Self {
        Self { delivery: Delivery::Close, ..Self::default() }
    }

    /// The connection closes without a byte and without the grant having been touched.
    #[must_use]
    pub fn dropped() -> Self {
        Self { spends: false, delivery: Delivery::Close, ..Self::default() }
    }

    /// The grant is rotated and the answer ends after this many bytes of the body.
    #[must_use]
    pub fn cut(bytes: usize) -> Self {
        Self { delivery: Delivery::CutBody { bytes }, ..Self::default() }
    }

    /// The grant is not touched and no answer ever comes.
    #[must_use]
    pub fn hangs() -> Self {
        Self { spends: false, delivery: Delivery::Hang, ..Self::default() }
    }

    /// This status with a short JSON body; the grant is not touched (see [`spending`](Self::spending)).
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::reply(HttpReply::json(status, r#"{"error":"temporarily_unavailable"}"#))
    }

    /// An OAuth error (RFC 6749, section 5.2); the grant is not touched.
    #[must_use]
    pub fn error(status: u16, code: &str, description: &str) -> Self {
        let body = serde_json::json!({"error": code, "error_description": description});
        Self::reply(HttpReply::json(status, &body.to_string()))
    }

    /// An HTML page, as a captive portal or an edge sends it; the grant is not touched.
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

    /// Slack's way: an error with status 200; the grant is not touched.
    #[must_use]
    pub fn slack(error: &str) -> Self {
        Self::reply(HttpReply::json(200, &serde_json::json!({"ok": false, "error": error}).to_string()))
    }

    /// A redirect that keeps the method (307); the grant is not touched.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        let mut reply = HttpReply::json(307, "");
        reply.headers.insert("Location".to_owned(), location.to_owned());
        Self::reply(reply)
    }

    /// This reply; the grant is not touched.
    #[must_use]
    pub fn reply(reply: HttpReply) -> Self {
        Self { spends: false, reply: Some(reply), ..Self::default() }
    }

    /// The grant is processed all the same: a 500 after the rotation, for one.
    #[must_use]
    pub fn spending(mut self) -> Self {
        self.spends = true;
        self
    }

    /// Waits before the grant is processed: slow, rotates last.
    #[must_use]
    pub fn before(mut self, wait: Duration) -> Self {
        self.before = wait;
        self
    }

    /// Waits after the grant was processed: slow, rotates first.
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

    /// `Retry-After` as a date that far ahead; the answer must have a [`reply`](Self::reply).
    #[must_use]
    pub fn retry_after_date(self, wait: Duration) -> Self {
        self.with_retry_after(RetryAfter::Date(wait.as_secs()))
    }

    fn with_retry_after(mut self, retry_after: RetryAfter) -> Self {
        let reply = self.reply.get_or_insert_with(HttpReply::default);
        reply.retry_after = Some(retry_after);
        self
    }

    /// Delivered in another way.
    #[must_use]
    pub fn delivered(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }
}

/// An HTTP response that has nothing to do with the grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpReply {
    /// Status code.
    pub status: u16,
    /// `Content-Type`; empty: none.
    pub content_type: String,
    /// Further headers.
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

/// How the bytes of an answer go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// All of them at once.
    #[default]
    Whole,
    /// None: the connection closes in order (FIN).
    Close,
    /// None: the connection is reset (RST).
    Reset,
    /// None, until the client gives up.
    Hang,
    /// The first bytes of the whole response, status line included; then the connection closes.
    Cut {
        /// How many.
        bytes: usize,
    },
    /// The whole head, which promises the whole body, and the first bytes of the body; then the connection closes.
    CutBody {
        /// How many.
        bytes: usize,
    },
    /// The head at once, then one byte of the body at a time.
    Drip {
        /// Wait before each byte.
        #[serde(rename = "every_s", with = "crate::seconds")]
        every: Duration,
    },
    /// The body, chunked, and then blanks without end: valid JSON at each moment, never finished.
    Endless,
}
