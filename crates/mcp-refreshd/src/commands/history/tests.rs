mod coverage;
mod shown;

use super::canvas::Canvas;
use super::coverage::{Coverage, State};
use super::events::Clock;
use super::summary::{Asked, Row, rows};
use super::{svg, table};
use crate::observers::history::fixtures::{ALL, STORE, at};
use crate::observers::history::line::{Holds, Kind, Line};
use crate::terminal::local::Local;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn holding(minutes: i64, holds: Holds, until: Option<i64>) -> Line {
    Line {
        store: Some(STORE.into()),
        key: Some("lab|00".into()),
        server: Some("lab".into()),
        holds: Some(holds),
        expires_at: until.map(at),
        ..Line::new(at(minutes), Kind::Adopted)
    }
}

fn agent(minutes: i64, kind: Kind) -> Line {
    Line::new(at(minutes), kind)
}

fn minutes(coverage: &Coverage) -> Vec<(i64, State)> {
    coverage
        .spans
        .iter()
        .map(|span| ((span.until.as_second() - span.from.as_second()) / 60, span.state))
        .collect()
}

fn percent_of(coverage: &Coverage) -> String {
    table::percent(Some(coverage))
}

/// The time between two minutes of the story.
fn asked(from: i64, until: i64) -> Asked<'static> {
    Asked { name: None, from: at(from), until: at(until), running: true }
}

fn rows_of(lines: &[Line], until: i64) -> Vec<Row> {
    rows(lines, asked(0, until))
}

/// A login, a refresh, tokens that expired, a wipe, and the agent's end.
fn story() -> Vec<Line> {
    let event = |event, line| Line { event, ..line };
    vec![
        agent(0, Kind::AgentStarted),
        event(Kind::Login, holding(0, Holds::Tokens, Some(50))),
        event(Kind::Refreshed, holding(40, Holds::Tokens, Some(60))),
        event(Kind::Wiped, holding(80, Holds::Missing, None)),
        agent(90, Kind::AgentEnded),
    ]
}

proptest! {
    /// Whatever the files hold.
    #[test]
    fn no_lines_break_the_picture(
        turns in proptest::collection::vec((0_i64..1000, 0..9_usize, proptest::option::of(-50_i64..2000)), 0..40),
        from in 0_i64..1000, length in 1_i64..1000, running: bool, width in 0_usize..200,
    ) {
        let lines: Vec<_> = turns.iter().map(|(minute, what, until)| match what {
            0 => agent(*minute, Kind::AgentStarted),
            1 => agent(*minute, Kind::AgentEnded),
            2 => agent(*minute, Kind::Carried),
            3 => holding(*minute, Holds::Missing, None),
            6 => Line { holds: None, rests: true, event: Kind::Rests, ..holding(*minute, Holds::Tokens, None) },
            7 => Line { holds: None, event: Kind::RestOver, ..holding(*minute, Holds::Tokens, None) },
            4 => holding(*minute, Holds::Removed, None),
            8 => Line { since: until.map(at), ..agent(*minute, Kind::Slept) },
            _ => holding(*minute, Holds::Tokens, *until),
        }).collect();
        let (from, until) = (at(from), at(from + length));
        let rows = rows(&lines, Asked { name: None, from, until, running });
        for coverage in rows.iter().filter_map(|row| row.coverage.as_ref()) {
            for (one, next) in coverage.spans.iter().zip(coverage.spans.iter().skip(1)) {
                prop_assert!(one.until <= next.from);
            }
            prop_assert!(coverage.spans.iter().all(|span| span.from < span.until && span.from >= from && span.until <= until));
            prop_assert!(coverage.permille().is_none_or(|share| (0..=1000).contains(&share)));
        }
        let zone = TimeZone::UTC;
        let drawn = table::table(&rows, from, &Local::at(until, zone.clone()), Canvas { width, unicode: false, colour: false });
        prop_assert!(width < 20 || drawn.lines().all(|line| line.len() <= width), "{}", drawn);
        table::plain(&rows, &Clock { zone: zone.clone(), exact: true });
        svg::svg(&rows, from, until, &zone);
    }
}
