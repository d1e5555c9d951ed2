//! The scripted server as a program.
//!
//! The first line on stdout says where it is, each further one is a finished request, as JSON. `POST /_control`, `GET /_log` and
//! `GET /_counts` drive it meanwhile:
//!
//! ```sh
//! curl -s $URL/_control -d '{"site":"lab","set":{"lifetime_s":60},"next":[{"before_s":9}],"grant":{"name":"lab","left_s":360}}'
//! ```

use clap::Parser;
use scripted_server::{Script, Server};
use serde_json::{Map, json};
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// An authorization server and an MCP server on 127.0.0.1 that follow a script. Prints its URL, then one line of JSON for each request.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Serve https://localhost with a certificate made for the occasion.
    #[arg(long)]
    tls: bool,
    /// Write the certificate authority to trust into this file.
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca_file: Option<PathBuf>,
    /// Members of the root site's script, as a JSON object: '{"lifetime_s": 60}'.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    script: String,
    /// A further site under /NAME, with members of its script. May be given several times.
    #[arg(long, value_name = "NAME[=JSON]")]
    site: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "scripted-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let root = script("--script", &arguments.script)?;
    let mut sites = Vec::new();
    for site in &arguments.site {
        let (name, members) = site.split_once('=').unwrap_or((site, "{}"));
        sites.push((name, script(&format!("--site {name}"), members)?));
    }
    let server = Server::start_on(arguments.port, root, arguments.tls)?;
    let mut places = Map::new();
    for (name, script) in sites {
        places.insert(name.to_owned(), json!(server.add(name, script).mcp_url()));
    }
    if let (Some(path), Some(ca_pem)) = (&arguments.ca_file, server.ca_pem()) {
        fs::write(path, ca_pem).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    // Before anybody can know the address, so that no request is missing; a reader that has gone away ends the log, not the server.
    server.observe(|entry| drop(print(&json!(entry))));
    print(&json!({"url": server.url(), "mcp_url": server.mcp_url(), "sites": places}))?;
    wait_for_the_end()?;
    Ok(())
}

fn script(option: &str, members: &str) -> Result<Script, String> {
    let members =
        serde_json::from_str(members).map_err(|error| format!("{option}: not a JSON object: {error}"))?;
    Script::default().with(members).map_err(|error| format!("{option}: {error}"))
}

fn print(line: &serde_json::Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// SIGTERM or SIGINT.
fn wait_for_the_end() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}
