//! What a soak prints: one table.

use super::Client;
use super::logins::Logins;
use super::service::Service;
use super::sighting::Status;
use super::terminal::{End, Visit};
use super::verdict::{self, Asked, Cause, Deaths, Loss, Who};
use crate::report::Report;
use crate::traffic::{is_by_agent, is_refresh};
use scripted_server::Entry;
use std::fmt::{self, Display};
use std::time::Duration;

/// All that is known when a soak is over.
pub(super) struct Table<'a> {
    pub(super) clients: &'a [Client],
    pub(super) visits: &'a [Visit],
    pub(super) logins: &'a Logins,
    pub(super) service: &'a Service,
    /// How often the daemon was to be killed: in a short run perhaps never.
    pub(super) kills_drawn: usize,
    pub(super) log: &'a [Entry],
    pub(super) revoked: usize,
    pub(super) took: Duration,
    pub(super) cpu: Duration,
}

impl Table<'_> {
    fn deaths(&self) -> Deaths {
        let killed = self.visits.iter().filter(|visit| visit.end == End::Killed);
        Deaths {
            clients: killed.map(|visit| visit.ended_us).collect(),
            daemon: self.service.killed_us.clone(),
        }
    }

    fn losses(&self) -> Vec<(&Loss, Cause)> {
        let deaths = self.deaths();
        self.logins.losses.iter().map(|loss| (loss, verdict::cause(self.log, &deaths, loss))).collect()
    }

    fn excused(&self) -> Vec<&Loss> {
        self.losses().into_iter().filter(|(_, cause)| cause.is_excused()).map(|(loss, _)| loss).collect()
    }

    fn ended(&self, end: End) -> usize {
        self.visits.iter().filter(|visit| visit.end == end).count()
    }

    fn seen(&self, status: Status) -> usize {
        self.visits.iter().map(|visit| visit.sighting.count(status)).sum()
    }

    /// How often a client said that a person must log in; and of those how often because of a loss that no agent could have prevented.
    fn needs_authentication(&self) -> (usize, usize) {
        let excused = self.excused();
        let mut counts = (0, 0);
        for visit in self.visits {
            for server in visit.sighting.needing_authentication() {
                let goes_back =
                    verdict::goes_back_to(excused.iter().copied(), server, visit.began_us, visit.ended_us);
                counts.0 += 1;
                counts.1 += usize::from(goes_back);
            }
        }
        counts
    }

    /// What must hold with the agent, and must not hold without it.
    pub(super) fn report(&self, is_agent: bool) -> Report {
        let mut report = Report::default();
        let (needing, excused) = self.needs_authentication();
        let (lost, unavoidable) = (self.logins.losses.len(), self.excused().len());
        report.figure("client starts", self.visits.len());
        report.demand_eq(
            "\"needs authentication\" that the agent could have prevented",
            needing - excused,
            0,
        );
        report.demand_eq("grants lost that the agent could have saved", lost - unavoidable, 0);
        report.figure("grants lost", lost);
        if is_agent {
            let agent = Asked::by(Who::Agent, self.log);
            report.demand(
                "the agent refreshed what was seeded",
                agent.refreshes * 10 >= self.logins.seeded * 9,
            );
            report.demand_eq("times the agent ended by itself", self.service.ended_by_itself, 0);
            report.demand("the agent was killed", self.service.killed_us.len() * 2 >= self.kills_drawn);
            report.demand(
                self.service.complaint.as_deref().unwrap_or_default(),
                self.service.complaint.is_none(),
            );
        }
        let connected = self.seen(Status::Connected);
        report.demand("every version connected", self.every_version_connected());
        report.demand("clients were killed", self.ended(End::Killed) > 0);
        report.demand("most clients connected", connected * 2 > self.visits.len());
        report
    }

    fn every_version_connected(&self) -> bool {
        (0..self.clients.len()).all(|version| {
            let mut visits = self.visits.iter().filter(|visit| visit.version == version);
            visits.any(|visit| visit.sighting.count(Status::Connected) > 0)
        })
    }

    /// The refreshes of every grant that was lost, and of every one that a client refreshed.
    pub(super) fn story(&self) -> String {
        let mut grants: Vec<&str> = self.logins.losses.iter().map(|loss| loss.client_id.as_str()).collect();
        let by_client = self.log.iter().filter(|entry| is_refresh(entry) && !is_by_agent(entry));
        grants.extend(by_client.filter_map(|entry| entry.field("client_id")));
        grants.sort_unstable();
        grants.dedup();
        let mut story = String::new();
        for grant in grants {
            let logins = self.logins.made.iter().filter(|(client_id, ..)| client_id == grant);
            for (_, at_us, left) in logins {
                story.push_str(&format!(
                    "{grant} stored at {} with {} s left\n",
                    seconds(*at_us),
                    left.as_secs()
                ));
            }
            for entry in verdict::refreshes_of(self.log, grant) {
                story.push_str(&format!("{grant} {}\n", line(entry)));
            }
        }
        story
    }
}

fn seconds(us: u64) -> String {
    format!("{:.3}", Duration::from_micros(us).as_secs_f64())
}

fn line(entry: &Entry) -> String {
    format!(
        "{} {} {} {:?} received {} decided {} finished {}",
        entry.site,
        entry.user_agent,
        entry.field("refresh_token").unwrap_or_default(),
        entry.outcome,
        seconds(entry.received_us),
        entry.decided_us.map(seconds).unwrap_or_default(),
        entry.finished_us.map(seconds).unwrap_or_default()
    )
}

impl Display for Table<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: &dyn Display| writeln!(formatter, "{name:60}{value:>8}");
        row("client starts", &self.visits.len())?;
        for (version, (name, _)) in self.clients.iter().enumerate() {
            let starts = self.visits.iter().filter(|visit| visit.version == version).count();
            row(&format!("  of {name}"), &starts)?;
        }
        row("clients killed", &self.ended(End::Killed))?;
        row("clients that did not end", &self.ended(End::Hung))?;
        row("kills of the daemon", &self.service.killed_us.len())?;
        row("entries seeded with 310 to 420 s left", &self.logins.seeded)?;
        for (who, name) in [(Who::Client, "clients"), (Who::Agent, "the agent")] {
            let asked = Asked::by(who, self.log);
            row(&format!("requests to the token endpoint by {name}"), &asked.requests)?;
            row(&format!("refreshes by {name}"), &asked.refreshes)?;
            row(&format!("reuses by {name}"), &asked.reuses)?;
        }
        row("families revoked", &self.revoked)?;
        let (needing, excused) = self.needs_authentication();
        row("\"needs authentication\" seen by clients", &needing)?;
        row("  of those after a loss that nobody could have prevented", &excused)?;
        row("servers seen connected", &self.seen(Status::Connected))?;
        row("servers seen failed", &self.seen(Status::Failed))?;
        row("servers without an answer yet when a session began", &self.seen(Status::Pending))?;
        let ended = || self.visits.iter().filter(|visit| visit.end == End::ByItself);
        let calls: usize = ended().map(|visit| visit.calls).sum();
        let answered: usize = ended().map(|visit| visit.sighting.answered).sum();
        row("tool calls answered", &format!("{answered} of {calls}"))?;
        row("grants lost", &self.logins.losses.len())?;
        row("  of those that the agent could not have saved", &self.excused().len())?;
        let mut causes: Vec<String> = self.losses().iter().map(|(_, cause)| cause.to_string()).collect();
        causes.sort();
        for cause in causes.chunk_by(|one, other| one == other) {
            row(&format!("  {}", cause.first().map_or("", String::as_str)), &cause.len())?;
        }
        let share = self.cpu.as_secs_f64() / self.took.as_secs_f64() * 100.0;
        row("CPU time of all clients, share of a core", &format!("{share:.0} %"))
    }
}
