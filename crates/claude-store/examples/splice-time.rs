//! Prints how long large documents take: `cargo run --release -p claude-store --example splice-time`.
#![allow(clippy::print_stdout, reason = "it prints its findings")]

use claude_store::{Change, Document, EntryKey, TokenChange};
use oauth_secret::{AccessToken, RefreshToken};
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let large = document(20, 5 << 20);
    let key = EntryKey::new("server-7|0000000000000007");
    let one = vec![(key, change())];
    report("5 MB document: parse and splice one entry", &large, &one)?;
    let many = document(10_000, 0);
    report("10,000 entries: parse and look at all", &many, &[])?;
    report("10,000 entries: parse and splice one", &many, &one)?;
    let all: Vec<_> = (0..10_000).map(|number| (EntryKey::new(key_of(number)), change())).collect();
    report("10,000 entries: parse and splice all", &many, &all)
}

fn report(what: &str, text: &str, changes: &[(EntryKey, Change)]) -> Result<(), Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let document = Document::parse(text.as_bytes())?;
        if changes.is_empty() {
            std::hint::black_box(document.entries().count());
        } else {
            std::hint::black_box(document.splice(changes)?);
        }
        times.push(began.elapsed());
    }
    times.sort();
    let at = |part: usize| times.get(ROUNDS * part / 100).copied().unwrap_or(Duration::ZERO);
    println!(
        "{what} ({} bytes): best {:.2?}, median {:.2?}, 95 % under {:.2?}",
        text.len(),
        at(0),
        at(50),
        at(95)
    );
    Ok(())
}

fn change() -> Change {
    Change::Tokens(TokenChange {
        access_token: AccessToken::new("at_made_up_and_new"),
        refresh_token: Some(RefreshToken::new("rt_made_up_and_new")),
        expires_at: Some(1_795_381_774_631),
        scope: None,
    })
}

fn key_of(number: usize) -> String {
    format!("server-{number}|{number:016x}")
}

/// A document with so many entries, and an unknown member of so many bytes before them.
fn document(entries: usize, unknown: usize) -> String {
    let entries: Vec<String> = (0..entries)
        .map(|number| {
            let key = key_of(number);
            format!(
                r#""{key}":{{"serverName":"server-{number}","serverUrl":"https://mcp.example.com/{number}/mcp","accessToken":"at_made_up_{number}_0123456789abcdef0123456789abcdef","discoveryState":{{"authorizationServerUrl":"https://as.example.com","oauthMetadataFound":true,"authServerMetadataUrl":null}},"clientId":"cl_{number}","issuer":"https://as.example.com","redirectUri":"http://localhost:52363/callback","refreshToken":"rt_made_up_{number}_0123456789abcdef","expiresAt":1795381774631,"scope":"mcp offline_access"}}"#
            )
        })
        .collect();
    let filler = r#"{"text":"some words \"quoted\"","numbers":[1,2.5,1e400],"deep":{"x":[true,null]}},"#;
    let filler = filler.repeat(unknown / filler.len());
    format!(
        r#"{{"claudeAiOauth":{{"made":"up"}},"unknown":[{filler}0],"mcpOAuth":{{{}}}}}"#,
        entries.join(",")
    )
}
