//! What the facts mean: pure functions, a file for each place where something can be wrong.

mod agent;
#[cfg(feature = "cluster")]
mod cluster;
mod configuration;
mod entries;
mod folders;
mod keychain;
mod leftovers;
mod locks;
mod logins;
mod needs_auth;
mod network;
mod service;
mod store;
mod surroundings;
mod vault;

use super::facts::Facts;
use super::finding::{Finding, Severity};
use compact::Arrange as _;

/// Everything that is found, trouble first.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let judges: &[fn(&Facts) -> Vec<Finding>] = &[
        configuration::findings,
        agent::findings,
        service::findings,
        folders::findings,
        store::findings,
        keychain::findings,
        entries::findings,
        needs_auth::findings,
        locks::findings,
        leftovers::findings,
        network::findings,
        surroundings::findings,
        vault::findings,
        #[cfg(feature = "cluster")]
        cluster::findings,
    ];
    let all = judges.iter().flat_map(|judge| judge(facts));
    let concerns = |finding: &Finding| facts.only.as_deref().is_none_or(|server| concerns(finding, server));
    let mut all = grouped(all.filter(concerns));
    network::explain(&mut all);
    all.arrange_by_key(|finding| finding.severity);
    all
}

/// Whether a finding concerns this server: it is about it, or about something that keeps every server from being refreshed.
fn concerns(finding: &Finding, server: &str) -> bool {
    let general = finding.servers.is_empty() && finding.severity == Severity::Trouble;
    general || finding.servers.iter().any(|known| known == server)
}

/// Several findings with one cause become one, in the place of the first.
fn grouped(findings: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::new();
    for finding in findings {
        let same = |other: &&mut Finding| {
            finding.together.is_some()
                && (other.name, other.severity, &other.together)
                    == (finding.name, finding.severity, &finding.together)
        };
        let Some(first) = all.iter_mut().find(same) else {
            all.push(finding);
            continue;
        };
        for server in finding.servers {
            if !first.servers.contains(&server) {
                first.servers.push(server);
            }
        }
        if first.path != finding.path {
            first.path = None;
        }
        if let (Some(together), 2..) = (&first.together, first.servers.len()) {
            first.means.clone_from(&together.means);
            first.cure.clone_from(&together.cure);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Confidence::Certain;

    fn about(server: &str, cause: &str) -> Finding {
        Finding::trouble("a-name", Certain, format!("{server} it is"), format!("type {server}"))
            .of(server)
            .together(cause, "type all")
    }

    #[test]
    fn one_cause_is_one_finding_that_names_its_servers() {
        let alone = Finding::trouble("a-name", Certain, "alone", "type alone").of("d");
        let all =
            grouped([about("a", "x"), about("b", "y"), alone, about("c", "x"), about("a", "x")].into_iter());
        let told: Vec<_> =
            all.iter().map(|f| (f.servers.join(","), f.means.as_str(), f.cure.as_str())).collect();
        assert_eq!(
            told,
            [
                ("a,c".to_owned(), "x", "type all"),
                ("b".to_owned(), "b it is", "type b"),
                ("d".to_owned(), "alone", "type alone"),
            ]
        );
    }

    #[test]
    fn one_server_is_concerned_by_its_own_findings_and_by_what_stops_everything() {
        let general = Finding::trouble("a-name", Certain, "", "");
        assert!(concerns(&general, "a") && concerns(&about("a", ""), "a"));
        assert!(!concerns(&about("b", ""), "a"));
        assert!(!concerns(&Finding::note("a-name", Certain, "", ""), "a"));
    }
}
