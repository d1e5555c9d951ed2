//! The grants that machines share through etcd.

use crate::agent::cluster::ClusterError;
use crate::commands::doctor::facts::{AsAgentSees, ClusterFacts, Facts};
use crate::commands::doctor::finding::Confidence::{Certain, Likely};
use crate::commands::doctor::finding::Finding;
use crate::commands::doctor::fix::Fix;
use crate::terminal::remedy::argument;
use crate::terminal::wording::{counted, quoted, visible};
use claude_store::EntryKey;
use grant_cluster::{KeyError, KvError};
use std::io::ErrorKind;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let Some(cluster) = &facts.cluster else { return Vec::new() };
    let restart = facts.runs().then(|| facts.how_to_restart());
    let mut found = judged(cluster, restart.as_deref());
    // Where the settings are wrong. A key and a login have places of their own.
    let of_settings =
        ["cluster-settings", "cluster-not-joined", "etcd-unreachable", "etcd-member-unreachable"];
    for finding in found.iter_mut().filter(|finding| of_settings.contains(&finding.name)) {
        finding.path = Some(facts.paths.config.display().to_string());
    }
    found
}

/// `restart` is what restarts the agent, if it runs.
fn judged(cluster: &ClusterFacts, restart: Option<&str>) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(key(cluster, restart));
    found.extend(cluster.network_trouble.as_ref().map(|error| {
        let means = format!("etcd cannot be asked for the cluster's logins: {error}");
        let files = "correct `ca_file`, `certificate` or `certificate_key` under [cluster]";
        Finding::trouble("cluster-settings", Certain, means, then_restart(files, cluster, restart))
    }));
    found.extend(etcd(cluster));
    if let Some(restart) = restart.filter(|_| needs_restart(cluster)) {
        let means = "the running agent started with another `[cluster]` or another key, or without the feature `cluster`: it neither \
                     refreshes nor hands out the cluster's logins";
        found.push(Finding::trouble("cluster-not-joined", Certain, means, restart));
    }
    found.extend(cluster.sealed.iter().map(|(key, why)| sealed(cluster, key, why, restart)));
    found.extend(cluster.moving.iter().map(|(key, by)| moving(cluster, key, by)));
    found.extend(cluster.needs.iter().map(|(server, why, cure)| {
        let means = format!("its login is in the cluster, and no machine can refresh it: {}", visible(why));
        Finding::trouble("login-ended", Certain, means, cure.clone()).of(server)
    }));
    found
}

/// Whether the agent could serve the cluster's logins and does not: what else keeps it from that is a finding already.
fn needs_restart(cluster: &ClusterFacts) -> bool {
    let Some(agent) = &cluster.agent else { return false };
    let could = cluster.key_trouble.is_none() && cluster.network_trouble.is_none();
    let all_open = cluster.silent.len() < cluster.asked && cluster.sealed.is_empty();
    could && (!agent.joined || agent.sealed && all_open)
}

fn key(cluster: &ClusterFacts, restart: Option<&str>) -> Option<Finding> {
    let error = cluster.key_trouble.as_ref()?;
    let follows = match cluster.agent {
        Some(AsAgentSees { joined: true, .. }) => {
            "the running agent goes on with the key it has, and could not join again"
        }
        _ => "this machine neither refreshes nor hands out the cluster's logins",
    };
    let file = &cluster.key_file;
    let (why, cure) = match error {
        ClusterError::Exposed { mode, .. } => (
            format!("others may read the cluster's key (mode {mode:03o})"),
            format!("chmod 600 {}", quoted(&file.to_string_lossy())),
        ),
        ClusterError::KeyFile { source, .. } if source.kind() != ErrorKind::NotFound => {
            (error.to_string(), "solve what the message names".to_owned())
        }
        _ => (
            error.to_string(),
            "copy the key file of another member here, so that only you can read it".to_owned(),
        ),
    };
    let means = format!("{}; {follows}", visible(&why));
    let finding =
        Finding::trouble("cluster-key", Certain, means, then_restart(&cure, cluster, restart)).at(file);
    Some(match error {
        ClusterError::Exposed { .. } => finding.fixed_by(Fix::MakePrivate { path: file.clone() }),
        _ => finding,
    })
}

/// What is read at the start alone needs a restart, unless the agent has it.
fn then_restart(cure: &str, cluster: &ClusterFacts, restart: Option<&str>) -> String {
    let joined = cluster.agent.as_ref().is_some_and(|agent| agent.joined);
    match restart.filter(|_| !joined) {
        Some(restart) => format!("{cure}; then: {restart}"),
        None => cure.to_owned(),
    }
}

/// The members of etcd that do not answer.
fn etcd(cluster: &ClusterFacts) -> Option<Finding> {
    let said: Vec<_> = cluster.silent.iter().map(|error| visible(&error.to_string())).collect();
    let said = said.join("; ");
    let cure = match cluster.silent.first() {
        // Measured with etcd 3.4: its gateway connects to etcd itself, with the server's certificate.
        Some(KvError::Unknown { why }) if why.ends_with("connection closed") => {
            "with --client-cert-auth etcd's own certificate must be one for servers and for clients (extended key usage); make it anew"
        }
        Some(KvError::Refused { .. }) => {
            "see what etcd says there: it must serve its JSON gateway (/v3/) to this machine, without users and passwords"
        }
        _ => {
            "see whether etcd runs there, and whether this machine reaches it; if the message is about a certificate, correct `ca_file` or \
             `certificate` under [cluster]"
        }
    };
    const FOLLOWS: &str =
        "this machine keeps the cluster's tokens as they are, and refreshes none until it reaches one";
    if (1..cluster.asked).contains(&cluster.silent.len()) {
        let silent = counted(cluster.silent.len(), "member of etcd does", "members of etcd do");
        let means = format!("{silent} not answer, and others do, so that nothing is missing: {said}");
        return Some(Finding::note("etcd-member-unreachable", Certain, means, cure));
    }
    if !cluster.silent.is_empty() {
        let means = format!("no member of etcd answers ({said}): {FOLLOWS}");
        return Some(Finding::trouble("etcd-unreachable", Certain, means, cure));
    }
    // Nobody was asked from here.
    let why = cluster.agent.as_ref().filter(|_| cluster.asked == 0)?.unreachable.as_ref()?;
    let means = format!("the agent reaches no member of etcd ({}): {FOLLOWS}", visible(why));
    Some(Finding::trouble("etcd-unreachable", Certain, means, cure))
}

fn sealed(cluster: &ClusterFacts, key: &EntryKey, why: &KeyError, restart: Option<&str>) -> Finding {
    let server = key.server_name();
    let follows = "is in the cluster, and this machine neither refreshes nor hands it out";
    let means = format!("its login {follows}: {why}");
    let cure = match why {
        KeyError::AnotherKey { theirs, .. } => {
            let file = quoted(&cluster.key_file.to_string_lossy());
            let copy = format!("copy the key file of a member that has the key {theirs} to {file}");
            restart.map_or(copy.clone(), |restart| format!("{copy}; then: {restart}"))
        }
        KeyError::Newer { .. } => {
            "install the version of mcp-refreshd that the other members have".to_owned()
        }
        KeyError::Damaged | KeyError::Length { .. } => {
            let place = quoted(&format!("{}grants/{}", cluster.prefix, key.as_str()));
            let name = argument(server);
            format!(
                "if no machine can open it: etcdctl del {place}, then mcp-refreshd login {name} --own, then mcp-refreshd cluster add {name}"
            )
        }
    };
    let finding = Finding::trouble("cluster-grant-sealed", Certain, means, cure.clone()).of(server);
    match why {
        KeyError::Damaged | KeyError::Length { .. } => finding,
        _ => finding.together(format!("each of their logins {follows}: {why}"), cure),
    }
}

/// A move takes a moment: one that is seen is hardly under way.
fn moving(cluster: &ClusterFacts, key: &EntryKey, by: &str) -> Finding {
    let server = key.server_name();
    let means = format!(
        "its login was on the way into the cluster or out of it when {} was cut off; until that is settled no machine refreshes it there",
        visible(by)
    );
    let command = format!("mcp-refreshd cluster add {}", argument(server));
    let cure = if by == cluster.member { command } else { format!("on {}: {command}", visible(by)) };
    Finding::trouble("move-cut-off", Likely, means, cure).of(server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Severity;
    use std::io;

    /// A cluster in order, and an agent that is a member.
    fn healthy() -> ClusterFacts {
        ClusterFacts {
            key_file: "/home/me/cluster.key".into(),
            prefix: "/mcp-refreshd/".into(),
            member: "host1".into(),
            key_trouble: None,
            network_trouble: None,
            asked: 3,
            silent: Vec::new(),
            sealed: Vec::new(),
            moving: Vec::new(),
            agent: Some(AsAgentSees { joined: true, ..AsAgentSees::default() }),
            needs: Vec::new(),
        }
    }

    const RESTART: &str = "mcp-refreshd restart";

    /// The only finding.
    fn one(cluster: &ClusterFacts) -> Finding {
        let mut found = judged(cluster, Some(RESTART));
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    fn refused_connection(member: u8) -> KvError {
        KvError::Unknown { why: format!("https://etcd-{member}:2379: Connection refused") }
    }

    #[test]
    fn a_cluster_in_order_gives_no_finding_whether_or_not_an_agent_runs() {
        assert!(judged(&healthy(), Some(RESTART)).is_empty());
        assert!(judged(&ClusterFacts { agent: None, ..healthy() }, None).is_empty());
    }

    #[test]
    fn etcd_is_trouble_if_no_member_answers_and_a_note_while_one_does() {
        let silent = |members: &[u8]| {
            let silent = members.iter().copied().map(refused_connection).collect();
            one(&ClusterFacts { silent, ..healthy() })
        };
        let all = silent(&[1, 2, 3]);
        assert_eq!((all.name, all.severity), ("etcd-unreachable", Severity::Trouble));
        assert!(all.means.contains("https://etcd-2:2379: Connection refused; https://etcd-3"), "{all:?}");
        assert!(all.cure.contains("`ca_file`"), "{all:?}");
        let closed = KvError::Unknown { why: "https://etcd-1:2379: connection closed".to_owned() };
        let own = one(&ClusterFacts { asked: 1, silent: vec![closed], ..healthy() });
        assert!(own.cure.contains("for servers and for clients"), "{own:?}");
        let some = silent(&[1, 3]);
        assert_eq!((some.name, some.severity), ("etcd-member-unreachable", Severity::Note));
    }

    #[test]
    fn without_asking_etcd_the_agents_word_counts() {
        let agent = AsAgentSees { joined: true, unreachable: Some("no route".into()), sealed: false };
        let offline = ClusterFacts { asked: 0, agent: Some(agent), ..healthy() };
        assert!(one(&offline).means.contains("the agent reaches no member of etcd (no route)"));
        // What was seen from here counts more: it may have been a moment ago.
        assert!(judged(&ClusterFacts { asked: 3, ..offline }, Some(RESTART)).is_empty());
    }

    #[test]
    fn a_key_that_others_can_read_is_fixed_and_one_that_is_missing_copied() {
        let path = healthy().key_file;
        let away = || Some(AsAgentSees::default());
        let exposed = ClusterError::Exposed { path: path.clone(), mode: 0o644 };
        let exposed = one(&ClusterFacts { key_trouble: Some(exposed), agent: away(), ..healthy() });
        assert_eq!(exposed.cure, "chmod 600 /home/me/cluster.key; then: mcp-refreshd restart");
        assert!(matches!(exposed.fix, Some(Fix::MakePrivate { .. })));
        let source = io::Error::from(ErrorKind::NotFound);
        let missing = || Some(ClusterError::KeyFile { path: path.clone(), source });
        let missing = one(&ClusterFacts { key_trouble: missing(), ..healthy() });
        assert!(missing.cure.starts_with("copy the key file of another member"), "{missing:?}");
        assert!(missing.means.contains("the running agent goes on with the key it has"), "{missing:?}");
    }

    #[test]
    fn grants_of_another_key_are_one_finding_each_that_names_that_key() {
        let why = KeyError::AnotherKey { theirs: "aaaaaaaa".into(), ours: "bbbbbbbb".into() };
        let sealed = vec![(EntryKey::new("lab|00"), why)];
        let found = one(&ClusterFacts { sealed, ..healthy() });
        assert_eq!((found.name, found.servers.as_slice()), ("cluster-grant-sealed", &["lab".to_owned()][..]));
        assert!(found.cure.contains("a member that has the key aaaaaaaa") && found.cure.ends_with(RESTART));
        assert!(found.together.is_some());
        let sealed = vec![(EntryKey::new("lab|00"), KeyError::Damaged)];
        let found = one(&ClusterFacts { sealed, ..healthy() });
        assert!(found.cure.contains("etcdctl del '/mcp-refreshd/grants/lab|00'"), "{found:?}");
    }

    #[test]
    fn an_agent_that_is_no_member_or_has_an_old_key_is_restarted() {
        let with = |agent| ClusterFacts { agent: Some(agent), ..healthy() };
        let away = AsAgentSees::default();
        assert_eq!(one(&with(away)).name, "cluster-not-joined");
        let old_key = || AsAgentSees { joined: true, sealed: true, unreachable: None };
        assert_eq!(one(&with(old_key())).cure, RESTART);
        // The key here does not open them either.
        let sealed = vec![(EntryKey::new("lab|00"), KeyError::Damaged)];
        assert_eq!(one(&ClusterFacts { sealed, ..with(old_key()) }).name, "cluster-grant-sealed");
    }

    #[test]
    fn a_move_that_was_cut_off_names_the_machine_that_can_settle_it() {
        let by = |member: &str| {
            one(&ClusterFacts { moving: vec![(EntryKey::new("lab|00"), member.into())], ..healthy() }).cure
        };
        assert_eq!(by("host1"), "mcp-refreshd cluster add lab");
        assert_eq!(by("host2"), "on host2: mcp-refreshd cluster add lab");
    }
}
