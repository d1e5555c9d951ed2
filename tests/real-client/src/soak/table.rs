//! What a soak prints: one table.

use super::findings::Findings;
use super::sighting::Status;
use super::terminal::End;
use super::verdict::{Asked, Who};
use std::fmt::{self, Display};

impl Display for Findings<'_> {
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
        row("logins undone by a write of something older", &self.logins.undone)?;
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
