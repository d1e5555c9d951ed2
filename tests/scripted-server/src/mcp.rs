//! The MCP server: streamable HTTP, plain JSON answers, one tool.

use crate::Outcome;
use crate::http::{Request, Response};
use crate::metadata::resource_url;
use crate::route::Decision;
use crate::site::Site;
use serde_json::{Value, json};
use std::time::Instant;

/// What a client gets that names no version of its own.
const PROTOCOL_VERSION: &str = "2025-06-18";

pub(crate) fn answer(site: &Site, request: &Request, method: &str) -> Decision {
    if let Err(why) = authorized(site, request) {
        let error = if request.header("authorization").is_some() { r#" error="invalid_token","# } else { "" };
        let challenge = if site.with(|state| state.script.challenge_names_metadata) {
            format!(r#"Bearer{error} resource_metadata="{}""#, resource_url(site))
        } else {
            format!("Bearer{}", error.trim_end_matches(','))
        };
        let response = Response::json(401, &json!({"error": "invalid_token", "error_description": why}))
            .header("WWW-Authenticate", &challenge);
        return Decision::new(response, Outcome::Unauthorized, why);
    }
    if method != "POST" {
        return Decision::new(Response::empty(405).header("Allow", "POST"), Outcome::Accepted, method);
    }
    let Ok(message) = serde_json::from_slice::<Value>(&request.body) else {
        return Decision::bad_request("invalid_request", "the body is not JSON");
    };
    let name = message.get("method").and_then(Value::as_str).unwrap_or_default();
    let Some(id) = message.get("id").filter(|id| !id.is_null()) else {
        return Decision::new(Response::empty(202), Outcome::Accepted, name);
    };
    let parameters = message.get("params").unwrap_or(&Value::Null);
    let reply = match call(name, parameters) {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
    };
    Decision::new(Response::json(200, &reply), Outcome::Accepted, name)
}

fn authorized(site: &Site, request: &Request) -> Result<(), &'static str> {
    let header = request.header("authorization").ok_or("no access token")?;
    let access_token = header.strip_prefix("Bearer ").ok_or("no bearer token")?;
    site.with(|state| state.ledger.check_access(Instant::now(), access_token))
}

fn call(method: &str, parameters: &Value) -> Result<Value, Value> {
    match method {
        "initialize" => Ok(json!({
            "protocolVersion": parameters.get("protocolVersion").and_then(Value::as_str).unwrap_or(PROTOCOL_VERSION),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "scripted-server", "version": env!("CARGO_PKG_VERSION")}
        })),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({"tools": [{
            "name": "echo",
            "description": "Gives back the text it is given.",
            "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
        }]})),
        "tools/call" if parameters.get("name") == Some(&json!("echo")) => {
            let text = parameters.pointer("/arguments/text").and_then(Value::as_str).unwrap_or_default();
            Ok(json!({"content": [{"type": "text", "text": text}]}))
        }
        "tools/call" => Err(json!({"code": -32602, "message": "there is no such tool"})),
        _ => Err(json!({"code": -32601, "message": "there is no such method"})),
    }
}
