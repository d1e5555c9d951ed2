//! How soon everybody has a new token.

use crate::Fallible;
use crate::agent::Agent;
use std::thread;
use std::time::{Duration, Instant};

const SAMPLES: usize = 50;
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest time from the end of a refresh at one agent until all others hand out its token.
pub(crate) fn measure(agents: &[Agent], names: &[String]) -> Fallible<Duration> {
    let mut slowest = Duration::ZERO;
    for number in 0..SAMPLES.min(names.len()) {
        let name = names.get(number).map(String::as_str).unwrap_or_default();
        let by = agents.get(number % agents.len()).ok_or("no agent")?;
        if let Some(why) = by.why_not(name)? {
            return Err(format!("{name} could not be refreshed: {why}").into());
        }
        let done = Instant::now();
        let new = by.token(name)?;
        for other in agents.iter().filter(|other| other.number != by.number) {
            while other.token(name)? != new {
                if done.elapsed() > PATIENCE {
                    return Err(format!("agent {} does not see the new token of {name}", other.number).into());
                }
                thread::sleep(Duration::from_millis(2));
            }
        }
        slowest = slowest.max(done.elapsed());
    }
    Ok(slowest)
}
