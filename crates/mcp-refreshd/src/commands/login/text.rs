//! What a login of our own says at its end.

use super::target::Target;
use crate::cli::LoginArgs;
use crate::commands::own::helper_for;
use crate::terminal::failure::Failure;
use crate::terminal::wording::{quoted, visible};

/// After a failure.
pub(super) fn kept(target: &Target, args: &LoginArgs) -> String {
    format!("nothing was changed; to try again, type: {}", again(&target.url, args))
}

/// The same command again.
fn again(url: &str, args: &LoginArgs) -> String {
    let mut text = "mcp-refreshd login --own".to_owned();
    let flags = [(args.no_browser, "--no-browser"), (args.client_secret, "--client-secret")];
    for (_, flag) in flags.into_iter().filter(|(given, _)| *given) {
        text = format!("{text} {flag}");
    }
    let port = args.callback_port.map(|port| port.to_string());
    for (option, value) in
        [("--name", &args.name), ("--client-id", &args.client_id), ("--callback-port", &port)]
    {
        if let Some(value) = value {
            // Joined, so that no value is taken for an option.
            text = format!("{text} {option}={}", quoted(value));
        }
    }
    format!("{text} -- {}", quoted(url))
}

/// What to say at the end, and what to type next.
pub(super) fn done(target: &Target, ends: bool) -> Result<String, Failure> {
    let name = quoted(&target.name);
    let mut text = format!("{}: logged in; its login is in the vault\n", visible(&target.name));
    if ends {
        text.push_str("  the server issued no refresh token: the login ends with its access token\n");
    }
    if target.configured {
        text.push_str(&format!("  for Claude Code, type: mcp-refreshd own -- {name}\n"));
    } else {
        let helper = helper_for(&target.name)?;
        let server = serde_json::json!({"type": "http", "url": target.url, "headersHelper": helper});
        text.push_str(&format!(
            "  for Claude Code, type: claude mcp add-json --scope user -- {name} {}\n",
            quoted(&server.to_string())
        ));
    }
    text.push_str(&format!("  for scripts, type: mcp-refreshd token -- {name}\n"));
    Ok(text)
}
