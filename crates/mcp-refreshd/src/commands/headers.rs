//! `mcp-refreshd headers` and `mcp-refreshd token`: an access token for a program, from the agent if one runs.

mod alone;
mod place;

use crate::agent::access::LEEWAY;
use crate::agent::chosen_store::argument;
use crate::agent::runtime::block_on;
use crate::cli::HeadersArgs;
use crate::control::instance::holder_once_started;
use crate::control::protocol::{HandedOut, NoToken, TokenRequest};
use crate::control::socket::{DirectError, TokenAnswer, Way, ask_for_token};
use crate::platform;
use crate::settings::environment;
use crate::settings::foreign_home::ForeignHome;
use crate::settings::paths::{NoHome, Paths};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::remedy;
use crate::terminal::wording::visible;
use claude_store::StorageFolder;
use jiff::Timestamp;
use oauth_secret::SecretBytes;
use place::Place;
use std::path::Path;
use std::time::Duration;

/// What Claude Code sets for its helper (measured with 2.1.332).
const SERVER_NAME: &str = "CLAUDE_CODE_MCP_SERVER_NAME";
const SERVER_URL: &str = "CLAUDE_CODE_MCP_SERVER_URL";

/// Claude Code ends its helper after 10 s. The agent answers within 7.2 s; what is left then is enough to read the store.
const PATIENCE: Duration = Duration::from_millis(8000);

/// An agent that is starting has its socket within this time. A refresh by another process has none, and may take as long as this command has.
const STARTING: Duration = Duration::from_millis(500);

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A JSON object of headers, for Claude Code's `headersHelper`.
    Headers,
    /// The bare token.
    Token,
}

/// Carries out the command.
///
/// # Errors
/// Why there is no token. Nothing is printed to standard output then.
pub(crate) fn headers(paths: Result<Paths, NoHome>, args: HeadersArgs, form: Form) -> Result<Exit, Failure> {
    let request = request(args, paths.as_ref().ok())?;
    let handed_out = match Place::of_this_process()? {
        Some(place) => answered(place.ask(request, PATIENCE)?)?,
        None => of_this_machine(&paths?, request)?,
    };
    print(&handed_out, form)
}

fn request(args: HeadersArgs, paths: Option<&Paths>) -> Result<TokenRequest, Failure> {
    let HeadersArgs { name, url, store } = args;
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let Some(name) = name.or_else(|| variable(SERVER_NAME)) else {
        let why = format!("which server? Give its name; Claude Code sets ${SERVER_NAME} for its helper");
        return Err(Failure::new(Exit::Usage, why));
    };
    let told = variable(SERVER_URL);
    // Typed by hand, it asks for nothing that a server may have refused.
    let caller = told.as_ref().and_then(|_| platform::starter());
    let document = paths.and_then(|paths| {
        let folder = StorageFolder::from_env(&|name| std::env::var_os(name), &paths.home);
        folder.credentials_path().to_str().map(str::to_owned)
    });
    Ok(TokenRequest {
        name,
        url: url.or(told),
        document,
        caller: caller.map(|caller| format!("{} {caller}", platform::process::machine_and_user())),
        secret: None,
        store: store
            .map(|store| argument(&store, paths.map_or(Path::new(""), |paths| &paths.home)))
            .transpose()?,
    })
}

fn of_this_machine(paths: &Paths, request: TokenRequest) -> Result<HandedOut, Failure> {
    let holder = holder_once_started(&paths.state, STARTING);
    let asked = holder.and_then(|holder| {
        let path = holder.socket?;
        let pid = Some(holder.pid);
        // It listens, but will not answer before somebody continues it.
        if platform::is_stopped(holder.pid) {
            return Some(Err(DirectError::Silent { pid }));
        }
        Some(ask_for_token(Way { path: &path, pid, patience: PATIENCE }, request.clone()))
    });
    match asked {
        Some(Ok(answer)) => answered(answer),
        Some(Err(error)) => unanswered(paths, &request, Some(error)),
        None => unanswered(paths, &request, None),
    }
}

/// What this process can do by itself, after an error of the agent or without one. Its frame is kept out of those that every token is handed out in:
/// 14 kB, every page touched.
#[inline(never)]
fn unanswered(
    paths: &Paths,
    request: &TokenRequest,
    error: Option<DirectError>,
) -> Result<HandedOut, Failure> {
    if let Some(foreign) = ForeignHome::of(paths) {
        let why = foreign.sentence();
        return if foreign.is_closed {
            Err(foreign.into())
        } else {
            block_on(alone::as_it_is(paths, request, &why))?
        };
    }
    match error {
        None | Some(DirectError::Absent { .. } | DirectError::Deaf { .. }) => {
            environment::complete(paths)?;
            block_on(alone::by_itself(paths, request))?
        }
        // What it holds may do, whatever became of the agent.
        Some(error) => block_on(alone::as_it_is(paths, request, &error.to_string()))?,
    }
}

/// What the agent says is said in the words that fit this shell.
fn answered(answer: TokenAnswer) -> Result<HandedOut, Failure> {
    answer.map_err(|NoToken { why, unknown, unreadable, store }| {
        let exit = match (unknown, unreadable) {
            (true, _) => Exit::Usage,
            (false, true) => Exit::Unreadable,
            (false, false) => Exit::Person,
        };
        Failure::new(exit, remedy::for_this_shell(&why, &store))
    })
}

fn print(handed_out: &HandedOut, form: Form) -> Result<Exit, Failure> {
    let HandedOut { token, expires_at, stale } = handed_out;
    let ended = expires_at.filter(|end| Timestamp::now().duration_since(*end) > LEEWAY);
    if let (Form::Token, Some(_)) = (form, ended) {
        let why = stale.as_deref().unwrap_or("it was not refreshed");
        return Err(Failure::new(Exit::Person, format!("the access token has expired: {}", visible(why))));
    }
    if let Some(why) = stale {
        output::message(&format!("not refreshed: {}", visible(why)));
    }
    let token = token.expose();
    // A line break would be another header (RFC 9110, section 5.5); tokens are visible ASCII (RFC 6749, appendix A.12).
    if token.is_empty() || !token.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Err(Failure::new(Exit::Person, "the access token cannot be put into a header"));
    }
    output::secret(&written(token, form))?;
    Ok(Exit::Well)
}

fn written(token: &str, form: Form) -> SecretBytes {
    // Every byte may need a backslash.
    let mut text = SecretBytes::with_capacity(2 * token.len() + 64);
    match form {
        Form::Token => text.extend_from_slice(token.as_bytes()),
        Form::Headers => {
            text.extend_from_slice(br#"{"Authorization":"Bearer "#);
            for byte in token.bytes() {
                if matches!(byte, b'"' | b'\\') {
                    text.push(b'\\');
                }
                text.push(byte);
            }
            text.extend_from_slice(br#""}"#);
        }
    }
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_are_json_whatever_the_token_holds() {
        let written = written(r#"at_"made\up"#, Form::Headers);
        let headers: serde_json::Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(headers["Authorization"], r#"Bearer at_"made\up"#);
        assert_eq!(written.last(), Some(&b'\n'));
    }

    #[test]
    fn a_token_that_would_be_a_second_header_is_not_printed() {
        for token in ["", "at\r\nX-Evil: 1", "at made up", "at_ü"] {
            let token = crate::control::secret_text::SecretText::new(token.to_owned());
            let handed_out = HandedOut { token, expires_at: None, stale: None };
            assert!(print(&handed_out, Form::Headers).is_err());
        }
    }
}
