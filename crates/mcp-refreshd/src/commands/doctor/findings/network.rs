use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::facts::origins::OriginFacts;
use crate::commands::doctor::finding::Confidence::{Certain, Likely};
use crate::commands::doctor::finding::Finding;
use crate::terminal::wording::length;
use std::time::Duration;
use token_endpoint::{SendError, UnsentKind};

/// Answers take a while, and servers' clocks are not exact; the margins allow for this much.
const SKEW_ALLOWED: Duration = Duration::from_secs(60);

const NO_NETWORK: &str = "no-network";

/// The authorization servers: whether they answer, by which certificate, and what their clocks say.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = match no_network(&facts.origins) {
        Some(finding) => vec![finding],
        None => facts.origins.iter().filter_map(|origin| reached(origin, facts.trusts_more)).collect(),
    };
    if let Some(error) = &facts.network_trouble {
        let means = format!("no request can be made: {error}");
        let finding =
            Finding::trouble("network-settings", Certain, means, "correct `[network]` in the configuration");
        findings.push(finding.at(&facts.paths.config));
    }
    findings.extend(facts.passed_over.iter().map(|why| {
        let cure = "correct the file or the setting that the message names";
        Finding::note("settings-passed-over", Certain, why.clone(), cure)
    }));
    findings.extend(skew(facts));
    findings
}

/// Whether the cause is on the way to the server, and not the server's certificate.
fn is_away(origin: &OriginFacts) -> Option<&SendError> {
    match &origin.answer {
        Err(SendError::Unsent { kind: UnsentKind::Certificate | UnsentKind::Tls, .. }) | Ok(_) => None,
        Err(error) => Some(error),
    }
}

/// Several servers, and none can be reached: it is this machine.
fn no_network(origins: &[OriginFacts]) -> Option<Finding> {
    let away: Vec<_> = origins.iter().filter_map(is_away).collect();
    let first = away.first().filter(|_| away.len() > 1 && away.len() == origins.len())?;
    let means = format!(
        "none of {} authorization servers can be reached from here ({first}); no login is lost by that",
        away.len()
    );
    let cure = "connect this machine to the network; behind a proxy, set `proxy` under [network] in the configuration";
    let servers = origins.iter().flat_map(|origin| &origin.servers).map(String::as_str);
    Some(Finding::trouble(NO_NETWORK, Likely, means, cure).of_all(servers))
}

/// Without a network what has expired stays so: that is no finding of its own while the agent runs.
pub(super) fn explain(findings: &mut Vec<Finding>) {
    let Some(network) = findings.iter().position(|finding| finding.name == NO_NETWORK) else { return };
    if findings.iter().any(|finding| finding.name == "agent-not-running") {
        return;
    }
    let away = findings.get(network).map(|finding| finding.servers.clone()).unwrap_or_default();
    let follows = |finding: &Finding| {
        finding.name == "expired-but-refreshable"
            && finding.servers.iter().all(|server| away.contains(server))
    };
    let expired: Vec<_> =
        findings.iter().filter(|finding| follows(finding)).flat_map(|f| f.servers.clone()).collect();
    if expired.is_empty() {
        return;
    }
    if let Some(network) = findings.get_mut(network) {
        network
            .means
            .push_str(&format!("; expired meanwhile, and refreshed when it is back: {}", expired.join(", ")));
    }
    findings.retain(|finding| !follows(finding));
}

fn reached(origin: &OriginFacts, trusts_more: bool) -> Option<Finding> {
    let place = &origin.place;
    let finding = match &origin.answer {
        Ok(probe) if probe.status >= 500 => Finding::trouble(
            "server-in-trouble",
            Likely,
            format!("{place} answers HTTP {}; nothing is lost, and refreshes are tried again", probe.status),
            "wait; if it lasts, ask whoever runs the server",
        ),
        Ok(_) => return None,
        Err(SendError::Unsent { why, kind: UnsentKind::Certificate | UnsentKind::Tls }) => {
            let cure = if trusts_more {
                "see what the message says; a CA file is named already, so compare its certificates with the one that the server shows"
            } else {
                "name the CA's PEM file in `extra_ca` under [network], if you trust that CA"
            };
            Finding::trouble(
                "certificate-trouble",
                Certain,
                format!("no safe connection to {place}: {why}"),
                cure,
            )
            .together("no safe connection to several servers: their certificates do not verify here", cure)
        }
        Err(error) => {
            let cure =
                "see whether this machine is online, and whether it needs a proxy: `proxy` under [network]";
            let several = "several servers do not answer from here, while others do";
            Finding::trouble(
                "server-unreachable",
                Likely,
                format!("{place} does not answer from here: {error}"),
                cure,
            )
            .together(several, cure)
        }
    };
    Some(finding.of_all(origin.servers.iter().map(String::as_str)))
}

/// One finding for this machine's clock: the server whose clock differs least decides.
fn skew(facts: &Facts) -> Option<Finding> {
    let skews = facts.origins.iter().filter_map(|origin| {
        let date = origin.answer.as_ref().ok()?.date?;
        Some((origin.asked_at.duration_since(date), origin))
    });
    let skews: Vec<_> = skews.collect();
    let (least, origin) = skews.iter().min_by_key(|(skew, _)| skew.unsigned_abs())?;
    if least.unsigned_abs() <= SKEW_ALLOWED {
        return None;
    }
    let direction = if least.is_positive() { "ahead of" } else { "behind" };
    let confidence = if skews.len() > 1 { Certain } else { Likely };
    Some(
        Finding::trouble(
            "clock-skew",
            confidence,
            format!(
                "this machine's clock is {} {direction} that of {}: tokens seem to expire at other times than they do",
                length(least.unsigned_abs()),
                origin.place
            ),
            "set the clock, by NTP: timedatectl set-ntp true",
        )
        .of_all(origin.servers.iter().map(String::as_str)),
    )
}
