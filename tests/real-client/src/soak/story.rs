//! How grants came to their end, for whoever wants to know why.

use super::findings::Findings;
use super::verdict;
use crate::traffic::{is_by_agent, is_refresh};
use scripted_server::Entry;
use std::time::Duration;

impl Findings<'_> {
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
