//! `POST /_control`, `GET /_log`, `GET /_counts`: control from a shell or another process.

use crate::Outcome;
use crate::http::{Request, Response};
use crate::ledger::TokenState;
use crate::route::Decision;
use crate::site::Site;
use crate::{Answer, Kind, Script};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A control request; its parts are processed in this order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Control {
    /// The site; created if it does not exist.
    #[serde(default)]
    site: String,
    /// Script members to replace.
    #[serde(default)]
    set: Map<String, Value>,
    /// Answers to queue.
    #[serde(default)]
    next: Vec<Answer>,
    /// Creates a grant.
    grant: Option<GrantWish>,
    /// A refresh token whose grant to kill.
    kill: Option<String>,
    /// A client to forget.
    prune_client: Option<String>,
    /// A refresh token whose state to report.
    state_of: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantWish {
    /// `serverName` of the entry.
    name: String,
    #[serde(rename = "left_s", with = "crate::seconds")]
    left: Duration,
}

pub(crate) fn answer(root: &Site, request: &Request) -> Decision {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/_control") => match control(root, &request.body) {
            Ok(reply) => Decision::answered(Response::json(200, &reply)),
            Err(why) => Decision::bad_request("bad_control", &why),
        },
        ("GET", "/_log") => {
            let since = request.query.get("since").and_then(|since| since.parse().ok()).unwrap_or(0);
            let entries: Vec<_> =
                root.shared.log.read().into_iter().filter(|entry| entry.number >= since).collect();
            Decision::answered(Response::json(200, &json!(entries)))
        }
        ("GET", "/_counts") => Decision::answered(Response::json(
            200,
            &counts(root, request.query.get("user_agent").unwrap_or_default()),
        )),
        _ => Decision::not_found(404),
    }
}

fn control(root: &Site, body: &[u8]) -> Result<Value, String> {
    let control: Control = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let site = Site { name: control.site, shared: Arc::clone(&root.shared) };
    let script = site.with(|state| state.script.clone()).with(control.set)?;
    site.set(|current| *current = script);
    for answer in control.next {
        site.answer_next(answer);
    }
    let mut reply = json!({"site": site.name(), "mcp_url": site.mcp_url()});
    if let Some(wish) = control.grant {
        let grant = site.grant(wish.left);
        reply["key"] = json!(grant.key(&wish.name));
        reply["entry"] = grant.entry(&wish.name);
    }
    if let Some(refresh_token) = control.kill {
        reply["killed"] = json!(site.kill(&refresh_token));
    }
    if let Some(client_id) = control.prune_client {
        reply["pruned"] = json!(site.prune_client(&client_id));
    }
    if let Some(refresh_token) = control.state_of {
        reply["state"] = json!(state_name(site.state_of(&refresh_token)));
    }
    Ok(reply)
}

fn state_name(state: TokenState) -> &'static str {
    match state {
        TokenState::Current => "current",
        TokenState::Spent => "spent",
        TokenState::Revoked => "revoked",
        TokenState::Dead => "dead",
        TokenState::Unknown => "unknown",
    }
}

fn counts(root: &Site, user_agent: &str) -> Value {
    let count = |condition: &dyn Fn(&crate::Entry) -> bool| {
        root.shared.log.count(|entry| entry.user_agent.starts_with(user_agent) && condition(entry))
    };
    let revoked: usize = root.shared.sites().values().map(|site| site.ledger.families_revoked()).sum();
    json!({
        "token_requests": count(&|entry| entry.kind == Kind::Token),
        "refreshes": count(&|entry| entry.outcome == Outcome::Fresh),
        "reuses": count(&|entry| entry.outcome == Outcome::Reuse),
        "unauthorized": count(&|entry| entry.outcome == Outcome::Unauthorized),
        "families_revoked": revoked
    })
}

impl Script {
    /// This script with some members replaced, given as JSON.
    ///
    /// # Errors
    /// Names the unknown or malformed member.
    pub fn with(&self, members: Map<String, Value>) -> Result<Self, String> {
        let mut whole = serde_json::to_value(self).map_err(|error| error.to_string())?;
        for (name, value) in members {
            whole[name] = value;
        }
        serde_json::from_value(whole).map_err(|error| error.to_string())
    }
}
