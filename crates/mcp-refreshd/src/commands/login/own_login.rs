//! A login without Claude Code: its grant goes into the vault.

use super::callback::Callback;
use super::grant::Client;
use super::target::{self, Left, Target};
use super::text::{done, kept};
use super::{browser, grant};
use crate::agent::network::Network;
use crate::agent::vault::ledger::{Ledger, Move, Mover, Phase};
use crate::agent::vault::moving::take_out;
use crate::agent::vault::{self, Vault};
use crate::cli::LoginArgs;
use crate::commands::own::helper_for;
use crate::control::protocol::Request;
use crate::control::socket;
use crate::platform::signals::Ends;
use crate::settings::config::Config;
use crate::settings::paths::{Paths, private_folder};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::wording::visible;
use claude_store::Store;
use jiff::Timestamp;
use oauth_secret::ClientSecret;
use std::io::BufRead;
use std::time::Duration;
use token_endpoint::{
    Answer, AuthorizationRequest, AuthorizationServer, ClientAuth, Code, CodeExchange, Http, ServerHints,
    TokenPair, interpret,
};
use zeroize::Zeroizing;

/// How long the user has for the login in the browser.
const PATIENCE: Duration = Duration::from_secs(300);
/// The variable with the client's secret, the same as Claude Code's.
const SECRET_VARIABLE: &str = "MCP_CLIENT_SECRET";

/// Logs in to one server, and puts the grant into the vault. Until that is written, an older grant stays as it is.
///
/// # Errors
/// What went wrong, and what to do.
pub(super) async fn own_login(
    wanted: &str,
    config: &Config,
    paths: &Paths,
    args: &LoginArgs,
) -> Result<Exit, Failure> {
    paths.home_exists()?;
    private_folder(&paths.state)?;
    let vault = Vault::open_or_create(config, paths).await?;
    let target = target::find(wanted, args.name.as_deref(), &vault, config, paths).await?;
    let folder = target::client_folder(config, paths).unwrap_or_else(|| vault.folder.clone());
    let network = Network::new(&config.network, &folder)
        .await
        .map_err(|error| Failure::new(Exit::Person, error.to_string()))?;
    let http = network.current();
    let mut signals = Ends::new().map_err(|error| person(format!("cannot handle signals: {error}")))?;
    let work = obtain(&target, &http, args);
    let obtained = tokio::select! {
        obtained = work => obtained?,
        _ = signals.next() => return Err(person(format!("interrupted; {}", kept(&target, args)))),
    };
    let Obtained { server, challenge_url, client, redirect_uri, code } = obtained;
    // From here on, a signal waits: the code is spent by the exchange.
    let pair = exchange(&http, &server, &client, &code, &target, args).await?;
    let ends = pair.refresh_token.is_none();
    let entry = grant::entry(
        &target,
        &server,
        challenge_url.as_deref(),
        &client,
        &redirect_uri,
        &pair,
        Timestamp::now(),
    );
    vault.put(&target.key, entry).await?;
    if let Some(left) = &target.left
        && let Err(why) = supersede(left, &target, paths).await
    {
        output::message(&format!(
            "{}: Claude Code's entry is left as it was: {}",
            visible(&target.name),
            visible(&why)
        ));
    }
    output::result(&done(&target, ends)?)?;
    Ok(Exit::Well)
}

/// From now on the vault's login counts, and what Claude Code's store holds of it is nobody's business, as after a move.
async fn supersede(left: &Left, target: &Target, paths: &Paths) -> Result<(), String> {
    let folder = vault::folder(paths);
    if let Some(text) = &left.text {
        // Unless it has changed meanwhile.
        take_out(&left.store, &target.key, text).await.map_err(|error| error.to_string())?;
    }
    let mover = Mover::claim(&folder).map_err(|error| error.to_string())?;
    let _mover = mover.ok_or("another `mcp-refreshd own` or `disown` is running")?;
    let mut ledger = Ledger::load(&folder).map_err(|error| error.to_string())?;
    ledger.note(Move {
        key: target.key.to_string(),
        name: target.name.clone(),
        url: target.url.clone(),
        store: left.store.location().to_owned(),
        phase: Phase::Owned,
        at: Timestamp::now(),
        helper: helper_for(&target.name).map_err(|failure| failure.message().to_owned())?,
        configured: Vec::new(),
    });
    ledger.save(&folder).map_err(|error| error.to_string())?;
    // An agent that is not there reads the ledger when it starts.
    let _ = socket::ask(&paths.state, &Request::Moves).await;
    Ok(())
}

struct Obtained {
    server: AuthorizationServer,
    challenge_url: Option<String>,
    client: Client,
    redirect_uri: String,
    code: Code,
}

/// Everything up to the code. Nothing of it changes anything here.
async fn obtain(target: &Target, http: &Http, args: &LoginArgs) -> Result<Obtained, Failure> {
    let failed = |why: String| person(format!("{}: {why}; {}", visible(&target.name), kept(target, args)));
    let secret = secret(args)?;
    let challenge = http.challenge(&target.url).await.map_err(|error| failed(error.to_string()))?;
    let hints = ServerHints {
        server_url: target.url.clone(),
        auth_server_metadata_url: target.metadata_url.clone(),
        resource_metadata_url: challenge.resource_metadata.clone(),
        ..ServerHints::default()
    };
    let server = AuthorizationServer::find(http, &hints, &challenge)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let callback = Callback::listen(args.callback_port).await?;
    let redirect_uri = callback.redirect_uri();
    let client = match (&args.client_id, server.registration_endpoint.is_some(), &target.client) {
        (Some(id), _, _) => Client { id: id.clone(), secret, auth: None },
        // The client of an earlier login that nobody can register anew.
        (None, false, Some((id, secret))) => Client { id: id.clone(), secret: secret.clone(), auth: None },
        (None, _, _) => {
            let client =
                http.register(&server, &redirect_uri).await.map_err(|error| failed(error.to_string()))?;
            Client { id: client.client_id, secret: client.client_secret, auth: client.auth }
        }
    };
    let request = AuthorizationRequest::new(&server, &client.id, &redirect_uri)
        .map_err(|error| failed(error.to_string()))?;
    let opened = !args.no_browser && browser::open(request.url());
    let invitation = match opened {
        true => "the browser should open the login page; if it does not, open this URL:",
        false => "open this URL in a browser:",
    };
    output::result(&format!("{}: {invitation}\n{}\n", visible(&target.name), request.url()))?;
    if args.no_browser {
        output::result("then paste the URL of the browser's last page, even if it does not load:\n")?;
    }
    let code = in_time(async {
        tokio::select! {
            code = callback.response(&request) => code.map_err(|error| error.to_string()),
            code = pasted(&request, args.no_browser) => code,
        }
    });
    let code = code.await.map_err(failed)?;
    Ok(Obtained { server, challenge_url: challenge.resource_metadata, client, redirect_uri, code })
}

/// The response, if it comes within the time that a login has.
async fn in_time<T>(response: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let response = tokio::time::timeout(PATIENCE, response).await;
    response.unwrap_or_else(|_| Err("no response within 5 minutes".to_owned()))
}

/// What the user pastes; never ready if nothing can be pasted.
async fn pasted(request: &AuthorizationRequest, wanted: bool) -> Result<Code, String> {
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    if wanted {
        // A thread of its own: nobody waits for its last read at the end.
        std::thread::spawn(move || {
            let mut input = std::io::stdin().lock();
            loop {
                let mut line = Zeroizing::new(String::new());
                if input.read_line(&mut line).is_ok_and(|read| read > 0) && sender.send(line).is_ok() {
                    continue;
                }
                return;
            }
        });
    }
    while let Some(line) = lines.recv().await {
        if line.trim().is_empty() {
            continue;
        }
        match request.judge_pasted(&line) {
            Err(error @ token_endpoint::CallbackError::State) => {
                output::message(&format!("{error}; paste it again"))
            }
            other => return other.map_err(|error| error.to_string()),
        }
    }
    // The browser may still be on this machine.
    std::future::pending().await
}

/// Exchanges the code; tries another way of authentication only where the server refused the client, not the code.
async fn exchange(
    http: &Http,
    server: &AuthorizationServer,
    client: &Client,
    code: &Code,
    target: &Target,
    args: &LoginArgs,
) -> Result<TokenPair, Failure> {
    let methods = match client.auth {
        Some(auth) => vec![auth],
        None => ClientAuth::to_try(&server.metadata.auth_methods, Some(&client.id), client.secret.as_ref()),
    };
    let mut why = "no way to authenticate the client".to_owned();
    for auth in methods {
        let request =
            CodeExchange { server, code, client_id: &client.id, client_secret: client.secret.as_ref(), auth };
        let answer = match http.exchange(&request).await {
            Ok(answer) => interpret(&answer, Timestamp::now()),
            Err(error) => Answer::from(error),
        };
        match answer {
            Answer::Fresh(pair) => return Ok(pair),
            Answer::ClientDead { code, detail } => {
                why = format!(
                    "the server refused the client: {code} ({detail}); check --client-id and its secret"
                )
            }
            Answer::Dead { code, detail } | Answer::Refused { code, detail } => {
                why = format!("the server refused the code: {code} ({detail}); log in again");
                break;
            }
            Answer::Transient { why: text, .. }
            | Answer::Unsent { why: text }
            | Answer::Ambiguous { why: text, .. } => {
                why = format!("{text}; log in again");
                break;
            }
        }
    }
    Err(person(format!("{}: {}; {}", visible(&target.name), visible(&why), kept(target, args))))
}

/// The secret of a configured client, from the environment or the first line of standard input.
fn secret(args: &LoginArgs) -> Result<Option<ClientSecret>, Failure> {
    if !args.client_secret {
        return Ok(None);
    }
    if let Some(secret) =
        std::env::var(SECRET_VARIABLE).ok().map(Zeroizing::new).filter(|secret| !secret.is_empty())
    {
        return Ok(Some(ClientSecret::new(secret.as_str())));
    }
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().read_line(&mut line);
    match read {
        Ok(_) if !line.trim().is_empty() => Ok(Some(ClientSecret::new(line.trim()))),
        _ => Err(Failure::new(
            Exit::Usage,
            format!("there is no client secret; set {SECRET_VARIABLE}, or write it to standard input"),
        )),
    }
}

fn person(why: String) -> Failure {
    Failure::new(Exit::Person, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_browser_has_five_minutes() {
        let began = tokio::time::Instant::now();
        let why = in_time(std::future::pending::<Result<(), String>>()).await.unwrap_err();
        assert_eq!(
            (began.elapsed(), why.as_str()),
            (Duration::from_secs(300), "no response within 5 minutes")
        );
        let late = async {
            tokio::time::sleep(Duration::from_secs(299)).await;
            Ok(7)
        };
        assert_eq!(in_time(late).await, Ok(7));
    }
}
