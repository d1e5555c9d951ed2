//! A made-up Messages API: the model behind the client's sessions, which does nothing but call one tool.

use serde_json::{Value, json};
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a prompt says to the made-up model: how many tool calls to make, and how long to think before each but the first.
///
/// The plan travels inside the prompt and the calls made so far inside the conversation, so the model needs no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) calls: usize,
    pub(crate) every: Duration,
}

impl Plan {
    pub(crate) fn prompt(self) -> String {
        format!("plan: calls={} every_ms={}", self.calls, self.every.as_millis())
    }

    fn parse(text: &str) -> Option<Self> {
        let plan = text.lines().rev().find_map(|line| line.trim().strip_prefix("plan: calls="))?;
        let (calls, every) = plan.split_once(" every_ms=")?;
        Some(Self { calls: calls.parse().ok()?, every: Duration::from_millis(every.parse().ok()?) })
    }
}

/// Serves the API on a free port of the loopback interface for as long as the runtime lives; gives back its base URL.
pub(crate) async fn serve() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::task::spawn_local(async move {
        let listener = Rc::new(listener);
        while let Ok((stream, _)) = listener.accept().await {
            // A client that is killed in the middle of a request is part of the scenarios.
            tokio::task::spawn_local(async move { drop(answer(stream).await) });
        }
    });
    Ok(url)
}

/// One request, one answer, and the connection closes.
async fn answer(stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;

    let (kind, body) = match serde_json::from_slice::<Value>(&body) {
        Ok(_) if target.contains("count_tokens") => {
            ("application/json", json!({"input_tokens": 1}).to_string())
        }
        Ok(request) if target.starts_with("/v1/messages") => {
            let (thought, says) = next(&request);
            tokio::time::sleep(thought).await;
            match request.get("stream").and_then(Value::as_bool) {
                Some(true) => ("text/event-stream", says.events(&request)),
                _ => ("application/json", says.message(&request).to_string()),
            }
        }
        _ => ("application/json", json!({}).to_string()),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// What the model says next, and how long it thinks before.
fn next(request: &Value) -> (Duration, Says) {
    let none = Vec::new();
    let messages = request.get("messages").and_then(Value::as_array).unwrap_or(&none);
    let mut calls = 0;
    let mut plan = None;
    for message in messages.iter().rev() {
        calls += count_results(message);
        plan = texts(message).into_iter().find_map(Plan::parse);
        if plan.is_some() {
            break;
        }
    }
    let tools = request.get("tools").and_then(Value::as_array).unwrap_or(&none);
    let names = tools.iter().filter_map(|tool| tool.get("name")?.as_str());
    let names: Vec<&str> = names.filter(|name| name.starts_with("mcp__")).collect();
    // The servers have one tool each: where there are several, they take turns.
    match (plan, names.get(calls % names.len().max(1)).copied()) {
        (Some(plan), Some(tool)) if calls < plan.calls => {
            let thought = if calls == 0 { Duration::ZERO } else { plan.every };
            (
                thought,
                Says::Call { id: format!("toolu_{:04}_{calls}", messages.len()), tool: tool.to_owned() },
            )
        }
        _ => (Duration::ZERO, Says::Done),
    }
}

fn texts(message: &Value) -> Vec<&str> {
    match message.get("content") {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(blocks)) => blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect(),
        _ => Vec::new(),
    }
}

fn count_results(message: &Value) -> usize {
    let blocks = message.get("content").and_then(Value::as_array);
    let is_result = |block: &&Value| block.get("type").and_then(Value::as_str) == Some("tool_result");
    blocks.map_or(0, |blocks| blocks.iter().filter(is_result).count())
}

/// The client takes two messages with one id for parts of the same: it must differ within a conversation.
fn message_id(request: &Value) -> String {
    format!("msg_{:04}", request.get("messages").and_then(Value::as_array).map_or(0, Vec::len))
}

/// What the model can say.
enum Says {
    Call { id: String, tool: String },
    Done,
}

impl Says {
    fn stop_reason(&self) -> &'static str {
        match self {
            Self::Call { .. } => "tool_use",
            Self::Done => "end_turn",
        }
    }

    /// The content block, whole.
    fn block(&self) -> Value {
        match self {
            Self::Call { id, tool } => {
                json!({"type": "tool_use", "id": id, "name": tool, "input": {"text": "hello"}})
            }
            Self::Done => json!({"type": "text", "text": "done"}),
        }
    }

    /// The content block as it opens in a stream, and the delta that fills it.
    fn opening(&self) -> (Value, Value) {
        match self {
            Self::Call { id, tool } => (
                json!({"type": "tool_use", "id": id, "name": tool, "input": {}}),
                json!({"type": "input_json_delta", "partial_json": r#"{"text":"hello"}"#}),
            ),
            Self::Done => {
                (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": "done"}))
            }
        }
    }

    fn message(&self, request: &Value) -> Value {
        json!({
            "id": message_id(request), "type": "message", "role": "assistant", "model": request.get("model"),
            "content": [self.block()], "stop_reason": self.stop_reason(), "stop_sequence": null,
            "usage": {"input_tokens": 1, "output_tokens": 1}
        })
    }

    /// The same message as a stream of events.
    fn events(&self, request: &Value) -> String {
        let (block, delta) = self.opening();
        let start = json!({
            "id": message_id(request), "type": "message", "role": "assistant", "model": request.get("model"),
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}
        });
        let stop = json!({"stop_reason": self.stop_reason(), "stop_sequence": null});
        let events = [
            ("message_start", json!({"type": "message_start", "message": start})),
            (
                "content_block_start",
                json!({"type": "content_block_start", "index": 0, "content_block": block}),
            ),
            ("content_block_delta", json!({"type": "content_block_delta", "index": 0, "delta": delta})),
            ("content_block_stop", json!({"type": "content_block_stop", "index": 0})),
            ("message_delta", json!({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 1}})),
            ("message_stop", json!({"type": "message_stop"})),
        ];
        events.iter().map(|(name, data)| format!("event: {name}\ndata: {data}\n\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(messages: Value) -> Value {
        json!({"messages": messages, "tools": [{"name": "Bash"}, {"name": "mcp__lab__echo"}]})
    }

    #[test]
    fn the_tool_is_called_as_often_as_the_latest_prompt_says() {
        let plan = Plan { calls: 2, every: Duration::from_secs(2) };
        let prompt = json!({"role": "user", "content": [{"type": "text", "text": plan.prompt()}]});
        let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]});
        let says = |messages: &[&Value]| {
            let (thought, says) = next(&request(json!(messages)));
            (thought.as_secs(), matches!(says, Says::Call { tool, .. } if tool == "mcp__lab__echo"))
        };
        assert_eq!(says(&[&prompt]), (0, true));
        assert_eq!(says(&[&prompt, &result]), (2, true));
        assert_eq!(says(&[&prompt, &result, &result]), (0, false));
        assert_eq!(says(&[&prompt, &result, &result, &prompt]), (0, true));
    }

    #[test]
    fn the_tools_of_several_servers_take_turns() {
        let prompt = Plan { calls: 5, every: Duration::ZERO }.prompt();
        let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]});
        let calls = |made: usize| {
            let mut messages = vec![json!({"role": "user", "content": prompt})];
            messages.extend(vec![result.clone(); made]);
            let tools = [
                json!({"name": "Bash"}),
                json!({"name": "mcp__north__echo"}),
                json!({"name": "mcp__east__echo"}),
            ];
            match next(&json!({"messages": messages, "tools": tools})).1 {
                Says::Call { tool, .. } => tool,
                Says::Done => String::new(),
            }
        };
        assert_eq!(
            [calls(0), calls(1), calls(2)],
            ["mcp__north__echo", "mcp__east__echo", "mcp__north__echo"]
        );
    }

    #[test]
    fn without_the_tool_the_model_gives_up() {
        let prompt = Plan { calls: 1, every: Duration::ZERO }.prompt();
        let request = json!({"messages": [{"role": "user", "content": prompt}], "tools": [{"name": "Bash"}]});
        assert!(matches!(next(&request).1, Says::Done));
    }
}
