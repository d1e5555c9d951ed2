//! Who asked the server for what.

use crate::refresher::USER_AGENT;
use crate::report::Report;
use scripted_server::{Entry, Kind, Outcome, Site};

/// Counts over a site's log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// Refreshes asked for by the agent (or its stand-in).
    pub(crate) by_agent: usize,
    /// Refreshes asked for by the client.
    pub(crate) by_client: usize,
    /// Spent refresh tokens presented by the agent.
    pub(crate) reuses_by_agent: usize,
    /// Spent refresh tokens presented by the client.
    pub(crate) reuses_by_client: usize,
    /// 401s that the MCP endpoint gave to a request with a token.
    pub(crate) refused_calls: usize,
}

impl Traffic {
    pub(crate) fn of(site: &Site) -> Self {
        let mut traffic = Self::default();
        for entry in site.log() {
            let reuse = usize::from(entry.outcome == Outcome::Reuse);
            if is_refresh(&entry) && is_by_agent(&entry) {
                traffic.by_agent += 1;
                traffic.reuses_by_agent += reuse;
            } else if is_refresh(&entry) {
                traffic.by_client += 1;
                traffic.reuses_by_client += reuse;
            } else if entry.outcome == Outcome::Unauthorized && entry.bearer().is_some() {
                traffic.refused_calls += 1;
            }
        }
        traffic
    }

    /// Demands these numbers of refreshes, and that nobody presented a spent token.
    pub(crate) fn demand(&self, report: &mut Report, by_client: usize, by_agent: usize) {
        report.demand_eq("requests by the client", self.by_client, by_client);
        report.demand_eq("by the agent", self.by_agent, by_agent);
        report.demand_eq("reuses", self.reuses_by_agent + self.reuses_by_client, 0);
    }
}

pub(crate) fn is_refresh(entry: &Entry) -> bool {
    entry.kind == Kind::Token && entry.field("grant_type") == Some("refresh_token")
}

pub(crate) fn is_by_agent(entry: &Entry) -> bool {
    entry.user_agent.starts_with(USER_AGENT)
}
