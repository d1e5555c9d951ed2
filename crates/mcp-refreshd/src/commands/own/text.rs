//! What `own` and `disown` say.

use super::candidate::Candidate;
use super::direction::Direction;
use crate::terminal::wording::visible;
use claude_store::{Place, Scope};
use std::fmt::Write as _;

pub(super) fn dry_run(candidates: &[Candidate], direction: Direction) -> String {
    let mut text = String::new();
    for candidate in candidates {
        let what = match (direction, candidate.only_configure) {
            (Direction::In, false) => format!("would move its login from {} to the vault", candidate.store),
            (Direction::In, true) => "its login is in the vault; would complete its configuration".to_owned(),
            (Direction::Back, false) => format!("would move its login back to {}", candidate.store),
            (Direction::Back, true) => {
                "its login is in Claude Code's store; would clean up its configuration".to_owned()
            }
        };
        let _ = writeln!(text, "{}: {}", visible(&candidate.name), visible(&what));
        for place in &candidate.places {
            let _ = match direction {
                Direction::In => writeln!(
                    text,
                    "  would set headersHelper in {}: {}",
                    visible(&shown(place)),
                    visible(&candidate.helper)
                ),
                Direction::Back => {
                    writeln!(text, "  would remove headersHelper from {}", visible(&shown(place)))
                }
            };
        }
        text.push_str(&stays(candidate));
    }
    if text.is_empty() { "nothing to move\n".to_owned() } else { text }
}

pub(super) fn nothing(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "no login to move\n",
        Direction::Back => "no login is in the vault\n",
    }
}

pub(super) fn owned(candidate: &Candidate) -> String {
    let mut text = format!("{}: its login is in the vault now\n", visible(&candidate.name));
    for place in &candidate.places {
        let _ = writeln!(text, "  headersHelper set in {}", visible(&shown(place)));
        if matches!(place.scope, Scope::Project { .. }) {
            text.push_str("  others who use that file need mcp-refreshd at the same path\n");
        }
    }
    text.push_str(&stays(candidate));
    if candidate.places.is_empty() && candidate.by_hand.is_empty() {
        text.push_str("  no configuration of Claude Code names it\n");
    }
    text.push_str("  sessions that are running: reconnect it with /mcp\n");
    text
}

pub(super) fn given_back(candidate: &Candidate, ours: bool) -> String {
    let mut text = format!("{}: its login is in Claude Code's store\n", visible(&candidate.name));
    if !ours {
        text.push_str("  a newer login was there already, and was kept\n");
    }
    for place in &candidate.places {
        let _ = writeln!(text, "  headersHelper removed from {}", visible(&shown(place)));
    }
    text.push_str(&stays(candidate));
    text
}

/// What the user wrote.
fn stays(candidate: &Candidate) -> String {
    let line = |place: &Place| format!("  headersHelper in {} is yours, and stays\n", visible(&shown(place)));
    candidate.by_hand.iter().map(line).collect()
}

fn shown(place: &Place) -> String {
    let file = place.file.display();
    match &place.scope {
        Scope::User | Scope::Project { .. } => file.to_string(),
        Scope::Local { project } => format!("{file} (project {project})"),
    }
}
