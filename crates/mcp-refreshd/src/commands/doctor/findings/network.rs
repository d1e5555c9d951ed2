use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::facts::origins::OriginFacts;
use crate::commands::doctor::finding::Confidence::{Certain, Likely};
use crate::commands::doctor::finding::Finding;
use crate::terminal::wording::length;
use std::time::Duration;
use token_endpoint::{SendError, UnsentKind};

/// Answers take a while, and servers' clocks are not exact; the margins stand this much.
const SKEW_ALLOWED: Duration = Duration::from_secs(60);

/// The authorization servers: whether they answer, by which certificate, and what their clocks say.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<_> =
        facts.origins.iter().filter_map(|origin| reached(origin, facts.trusts_more)).collect();
    if let Some(error) = &facts.network_trouble {
        let means = format!("no request can be made: {error}");
        let finding = Finding::trouble("network-settings", Certain, means, "mend the configuration");
        findings.push(finding.at(&facts.paths.config));
    }
    findings.extend(facts.passed_over.iter().map(|why| {
        let cure = "mend the file or the setting that the message names";
        Finding::note("settings-passed-over", Certain, why.clone(), cure)
    }));
    findings.extend(skew(facts));
    findings
}

fn reached(origin: &OriginFacts, trusts_more: bool) -> Option<Finding> {
    let finding = match &origin.answer {
        Ok(probe) if probe.status >= 500 => Finding::trouble(
            "server-in-trouble",
            Likely,
            format!(
                "{} answers HTTP {}; nothing is lost, and refreshes are tried again",
                origin.place, probe.status
            ),
            "wait; if it lasts, ask who runs the server",
        ),
        Ok(_) => return None,
        Err(SendError::Unsent { why, kind: UnsentKind::Certificate | UnsentKind::Tls }) => Finding::trouble(
            "certificate-trouble",
            Certain,
            format!("no safe connection to {}: {why}", origin.place),
            if trusts_more {
                "see what the message says; a CA file is named already, so compare its certificates with the one that the server shows"
            } else {
                "name the CA's PEM file in `extra_ca` under [network], if the CA is one you trust"
            },
        ),
        Err(error) => Finding::trouble(
            "server-unreachable",
            Likely,
            format!("{} does not answer from here: {error}", origin.place),
            "see that this machine is online, and that a proxy that it needs is set under [network]",
        ),
    };
    Some(finding.of(&origin.server))
}

/// One finding for this machine's clock: the server whose clock differs least tells.
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
                "this machine's clock is {} {direction} that of {}: tokens seem to end at other times than they do",
                length(least.unsigned_abs()),
                origin.place
            ),
            "set the clock, by NTP: timedatectl set-ntp true",
        )
        .of(&origin.server),
    )
}
