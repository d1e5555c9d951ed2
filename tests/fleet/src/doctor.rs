//! What `doctor` and `status` say of the cluster.

use crate::agent::{Agent, Set, Way};
use crate::etcd::Etcd;
use crate::{Fallible, KEY, MEMBERS};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// What is found of the cluster: the meaning and the cure, by the finding's name.
type Found = BTreeMap<String, String>;

impl Agent {
    /// The findings of a `doctor` of its machine that are about the cluster.
    fn doctor(&self, arguments: &[&str]) -> Fallible<Found> {
        let output = self.command(&[&["doctor", "--json"], arguments].concat()).output()?;
        let told: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("doctor: {error}: {}", String::from_utf8_lossy(&output.stderr)))?;
        let all = told.pointer("/findings").and_then(Value::as_array).ok_or("doctor names no findings")?;
        let text = |finding: &Value, member: &str| {
            finding.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let ours = ["etcd-", "cluster-", "move-", "login-", "configuration-"];
        let all = all
            .iter()
            .map(|one| (text(one, "name"), format!("{} / {}", text(one, "means"), text(one, "cure"))));
        Ok(all.filter(|(name, _)| ours.iter().any(|start| name.starts_with(start))).collect())
    }

    /// Its doctor finds this alone, and the finding says all of that.
    fn must_find(&self, arguments: &[&str], name: &str, says: &[&str]) -> Fallible<()> {
        let found = self.doctor(arguments)?;
        let said = found.get(name).filter(|_| found.len() == 1);
        match said.filter(|said| says.iter().all(|part| said.contains(part))) {
            Some(_) => Ok(()),
            None => {
                Err(format!("doctor of host{}: not {name} {says:?} alone: {found:?}", self.number).into())
            }
        }
    }
}

/// Nobody's doctor finds anything.
pub(crate) fn is_well(agents: &[Agent]) -> Fallible<()> {
    for agent in agents {
        let until = Instant::now() + PATIENCE;
        loop {
            match agent.doctor(&[])? {
                found if found.is_empty() => break,
                // A member of etcd is starting.
                _ if Instant::now() < until => thread::sleep(Duration::from_millis(500)),
                found => return Err(format!("doctor of host{}: {found:?}", agent.number).into()),
            }
        }
    }
    Ok(())
}

/// One member of etcd is away: a note that names it.
pub(crate) fn notes_one_member(agents: &[Agent], etcd: &[Etcd]) -> Fallible<()> {
    let gone = etcd.first().ok_or("no etcd")?;
    gone.kill();
    for agent in agents {
        let place = format!("10.9.{}.1:", agent.number);
        let says = ["1 member of etcd does not answer", &place, "Connection refused"];
        agent.must_find(&[], "etcd-member-unreachable", &says)?;
    }
    gone.restart()?;
    is_well(agents)
}

/// All of them are: every one is named.
pub(crate) fn misses_etcd(agents: &[Agent]) -> Fallible<()> {
    for agent in agents {
        let places: Vec<_> = (1..=MEMBERS).map(|member| format!("10.9.{}.{member}:", agent.number)).collect();
        let says: Vec<_> = places.iter().map(String::as_str).chain(["no member of etcd answers"]).collect();
        agent.must_find(&[], "etcd-unreachable", &says)?;
        agent.must_find(&["--offline"], "etcd-unreachable", &["the agent reaches no member of etcd"])?;
    }
    Ok(())
}

/// A sixth machine, of which one thing after the other is wrong.
pub(crate) fn knows_a_stranger(set: &Set<'_>, grants: usize) -> Fallible<()> {
    let stranger = |way: Way, key: u8| -> Fallible<Agent> {
        let _ = fs::remove_dir_all(set.scene.join("host0"));
        Agent::new(set, 0, way, key)
    };
    stranger(Way::Plain, KEY)?.must_find_nothing()?;
    stranger(Way::Tls, KEY)?.must_find_nothing()?;
    let certificate = "invalid peer certificate: UnknownIssuer";
    stranger(Way::TlsWithoutAuthority, KEY)?.must_find(
        &[],
        "etcd-unreachable",
        &[certificate, "`ca_file`"],
    )?;
    stranger(Way::TlsWithoutCertificate, KEY)?.must_find(&[], "etcd-unreachable", &["certificate"])?;

    let other_key = stranger(Way::Tls, KEY + 1)?;
    other_key.must_find(&[], "cluster-grant-sealed", &["the key "])?;
    other_key.start()?;
    let odd = other_key.of_cluster(|store| {
        store.get("odd").and_then(Value::as_array).is_some_and(|odd| odd.len() == grants)
    });
    odd.map_err(|error| format!("its status does not say which logins do not open: {error}"))?;
    // The file is the right one now, and the agent has the other.
    fs::write(other_key.key_file(), [KEY; 32])?;
    other_key.must_find(&[], "cluster-not-joined", &["another key"])?;
    other_key.kill();
    other_key.must_find_nothing()?;

    fs::set_permissions(other_key.key_file(), fs::Permissions::from_mode(0o644))?;
    other_key.must_find(&[], "cluster-key", &["mode 644", "chmod 600"])?;
    other_key.doctor(&["--fix"])?;
    other_key.must_find_nothing()?;

    fs::remove_file(other_key.key_file())?;
    other_key.must_find(&[], "cluster-key", &["No such file", "copy the key file"])?;
    other_key.start()?;
    let why = other_key.of_cluster(|store| store.get("unreadable").is_some_and(Value::is_string));
    why.map_err(|error| format!("its status does not say why it is no member: {error}"))?;
    let refused = other_key.ask(&json!({"request": "cluster", "with": {"name": "lab0", "add": true}}))?;
    if !refused.to_string().contains("cannot be read") {
        return Err(format!("it does not say why it adds nothing: {refused}").into());
    }
    Ok(())
}

impl Agent {
    fn must_find_nothing(&self) -> Fallible<()> {
        is_well(std::slice::from_ref(self))
    }

    /// Returns once the status of the running agent shows a cluster like this.
    fn of_cluster(&self, is: impl Fn(&Value) -> bool) -> Fallible<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.ask(&json!({"request": "status"}));
            let stores = status.as_ref().ok().and_then(|status| status.pointer("/with/stores")?.as_array());
            let is_cluster = |store: &&Value| store.get("cluster").is_some_and(|cluster| !cluster.is_null());
            if stores.is_some_and(|stores| stores.iter().filter(is_cluster).any(&is)) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("{status:?}").into());
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}
