//! No etcd at all.

use crate::agent::Agent;
use crate::etcd::Etcd;
use crate::{Fallible, doctor};
use scripted_server::{Kind, Server};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// All members of etcd die: every agent hands out the last token, presents nothing, and says why. Then they come back.
pub(crate) fn survive(agents: &[Agent], etcd: &[Etcd], names: &[String], server: &Server) -> Fallible<()> {
    let name = names.first().map(String::as_str).unwrap_or_default();
    let token = agents.first().ok_or("no agents")?.token(name)?;
    etcd.iter().for_each(Etcd::kill);
    // Longer than a lease.
    thread::sleep(Duration::from_secs(7));
    let before = server.count(|entry| entry.kind == Kind::Token);
    doctor::misses_etcd(agents)?;
    for agent in agents {
        if agent.token(name)? != token {
            return Err(format!("agent {} does not hand out the last token", agent.number).into());
        }
        let why = agent.why_not(name)?.unwrap_or_default();
        if !why.contains("etcd cannot be reached") {
            return Err(format!("agent {} says: {why}", agent.number).into());
        }
        let status = agent.ask(&json!({"request": "status"}))?;
        let stores = status.pointer("/with/stores").and_then(Value::as_array).ok_or("no stores")?;
        if !stores.iter().any(|store| store.pointer("/cluster/unreachable").is_some_and(Value::is_string)) {
            return Err(format!("the status of agent {} does not say it: {status}", agent.number).into());
        }
    }
    if server.count(|entry| entry.kind == Kind::Token) != before {
        return Err("a token was presented without etcd".into());
    }
    etcd.iter().try_for_each(Etcd::restart)?;
    let until = Instant::now() + PATIENCE;
    while let Some(why) = agents.first().ok_or("no agents")?.why_not(name)? {
        if Instant::now() > until {
            return Err(format!("not refreshed after the outage: {why}").into());
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
