//! What a soak prints: one findings.

use super::Client;
use super::logins::Logins;
use super::service::Service;
use super::sighting::Status;
use super::terminal::{End, Visit};
use super::verdict::{self, Asked, Cause, Deaths, Loss, Who};
use crate::report::Report;
use scripted_server::Entry;
use std::time::Duration;

/// All that is known when a soak is over.
pub(super) struct Findings<'a> {
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

impl Findings<'_> {
    fn deaths(&self) -> Deaths {
        let killed = self.visits.iter().filter(|visit| visit.end == End::Killed);
        Deaths {
            clients: killed.map(|visit| visit.ended_us).collect(),
            daemon: self.service.killed_us.clone(),
        }
    }

    pub(super) fn losses(&self) -> Vec<(&Loss, Cause)> {
        let deaths = self.deaths();
        self.logins.losses.iter().map(|loss| (loss, verdict::cause(self.log, &deaths, loss))).collect()
    }

    pub(super) fn excused(&self) -> Vec<&Loss> {
        self.losses().into_iter().filter(|(_, cause)| cause.is_excused()).map(|(loss, _)| loss).collect()
    }

    pub(super) fn ended(&self, end: End) -> usize {
        self.visits.iter().filter(|visit| visit.end == end).count()
    }

    pub(super) fn seen(&self, status: Status) -> usize {
        self.visits.iter().map(|visit| visit.sighting.count(status)).sum()
    }

    /// How often a client said that a person must log in; and of those how often because of a loss that no agent could have prevented.
    pub(super) fn needs_authentication(&self) -> (usize, usize) {
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
        report.demand_eq("logins undone by a write of something older", self.logins.undone, 0);
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
        report
    }

    /// Why this run proves nothing, whoever kept the tokens fresh: clients that never reach a server see no login page either.
    pub(super) fn proves_nothing(&self) -> Option<String> {
        let versions = self.clients.iter().enumerate();
        for (version, (name, _)) in versions {
            let mut visits = self.visits.iter().filter(|visit| visit.version == version);
            if !visits.any(|visit| visit.sighting.count(Status::Connected) > 0) {
                return Some(format!("no client of {name} has reached a server"));
            }
        }
        if self.seen(Status::Connected) * 2 <= self.visits.len() {
            return Some("most clients have reached no server".to_owned());
        }
        (self.ended(End::Killed) == 0).then(|| "no client was killed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sighting::Sighting;
    use super::*;
    use scripted_server::{Kind, Outcome};

    const SECOND: u64 = 1_000_000;

    /// What one client saw of one server between these seconds.
    fn visit(status: Status, began: u64, ended: u64, end: End) -> Visit {
        let servers = vec![("north".to_owned(), status)];
        Visit {
            version: 0,
            began_us: began * SECOND,
            ended_us: ended * SECOND,
            end,
            calls: 0,
            sighting: Sighting { servers, ..Sighting::default() },
        }
    }

    /// The agent's refresh that is on its way from second 10 to second 11, and what the person lost by it.
    fn lost_refresh() -> (Vec<Entry>, Logins) {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let refresh = Entry {
            number: 0,
            connection: 0,
            site: "north".to_owned(),
            kind: Kind::Token,
            method: "POST".to_owned(),
            path: "/token".to_owned(),
            user_agent: "mcp-refreshd/0.1.0".to_owned(),
            authorization: None,
            form: vec![field("grant_type", "refresh_token"), field("client_id", "cl_1")],
            received_us: 10 * SECOND,
            decided_us: Some(10 * SECOND),
            finished_us: Some(11 * SECOND),
            outcome: Outcome::Fresh,
            detail: String::new(),
            status: Some(200),
        };
        let loss = Loss {
            server: "north".to_owned(),
            client_id: "cl_1".to_owned(),
            since_us: 10 * SECOND,
            until_us: 26 * SECOND,
        };
        (vec![refresh], Logins { seeded: 1, losses: vec![loss], ..Logins::default() })
    }

    /// The demands that were not met, and why the run proves nothing.
    fn judge(visits: &[Visit], log: &[Entry], logins: &Logins, killed: u64) -> (Vec<String>, Option<String>) {
        let clients = [("2.0.30".to_owned(), "/claude".into())];
        let service = Service { killed_us: vec![killed], ..Service::default() };
        let findings = Findings {
            clients: &clients,
            visits,
            logins,
            service: &service,
            kills_drawn: 1,
            log,
            revoked: 0,
            took: Duration::from_secs(60),
            cpu: Duration::from_secs(30),
        };
        (findings.report(true).unmet().to_vec(), findings.proves_nothing())
    }

    #[test]
    fn a_loss_by_a_kill_of_the_agent_and_what_clients_saw_of_it_is_not_held_against_the_agent() {
        let (log, logins) = lost_refresh();
        let visits = [
            visit(Status::Connected, 1, 2, End::Killed),
            visit(Status::NeedsAuthentication, 12, 13, End::ByItself),
            visit(Status::Connected, 30, 31, End::ByItself),
        ];
        assert_eq!(judge(&visits, &log, &logins, 10 * SECOND + 1), (Vec::new(), None));
    }

    #[test]
    fn every_other_loss_is_held_against_the_agent() {
        let (log, logins) = lost_refresh();
        let visits = [
            visit(Status::Connected, 1, 2, End::Killed),
            visit(Status::NeedsAuthentication, 12, 13, End::ByItself),
            visit(Status::Connected, 30, 31, End::ByItself),
        ];
        let (unmet, _) = judge(&visits, &log, &logins, 5 * SECOND);
        assert_eq!(unmet.len(), 2, "{unmet:?}");
    }

    #[test]
    fn what_a_client_saw_at_another_time_than_that_of_an_excused_loss_is_held_against_the_agent() {
        let (log, logins) = lost_refresh();
        let visits = [
            visit(Status::Connected, 1, 2, End::Killed),
            visit(Status::NeedsAuthentication, 27, 28, End::ByItself),
            visit(Status::Connected, 30, 31, End::ByItself),
        ];
        let (unmet, _) = judge(&visits, &log, &logins, 10 * SECOND + 1);
        assert_eq!(unmet.len(), 1, "{unmet:?}");
    }

    #[test]
    fn clients_that_reach_no_server_prove_nothing() {
        let logins = Logins::default();
        let killed = visit(Status::Connected, 1, 2, End::Killed);
        let failed = || visit(Status::Failed, 1, 2, End::ByItself);
        assert!(judge(&[failed(), failed()], &[], &logins, SECOND).1.is_some());
        assert!(judge(&[killed, failed(), failed()], &[], &logins, SECOND).1.is_some());
        assert!(judge(&[visit(Status::Connected, 1, 2, End::ByItself)], &[], &logins, SECOND).1.is_some());
    }
}
