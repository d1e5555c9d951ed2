use super::{agent, holding, minutes, percent_of};
use crate::commands::history::coverage::{State, coverage};
use crate::observers::history::History;
use crate::observers::history::entry_state::EntryStates;
use crate::observers::history::file::read;
use crate::observers::history::fixtures::{LAB, STORE, at, failed, held, kinds};
use crate::observers::history::line::{Holds, Kind, Line};
use crate::observers::rotating::FULL;
use State::{Asleep, Expired, Missing, Removed, Unwatched, Valid};
use jiff::SignedDuration;
use refresh_engine::{Event, Subject};
use std::fs;

#[test]
fn a_rest_lasts_into_a_new_file_and_every_agent_says_anew_what_rests() {
    let mut states = EntryStates::default();
    for (minute, event) in [(0, held("one", 60)), (50, Event::Rests)] {
        let lines = states.lines(at(minute), LAB, &event);
        lines.iter().for_each(|line| states.apply(line));
    }
    let mut lines = vec![agent(90, Kind::Carried)];
    lines.extend(states.carried(at(90)));
    let written: Vec<_> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    let mut lines: Vec<Line> = written.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(minutes(&coverage(&lines, at(90), at(120), true)[0]), [(30, State::Resting)]);

    // Killed, and started again where somebody is expected; where nobody is, it says so again.
    lines.push(agent(100, Kind::AgentStarted));
    assert_eq!(
        minutes(&coverage(&lines, at(90), at(120), true)[0]),
        [(10, State::Unwatched), (20, State::Expired)]
    );
    states.apply(&agent(100, Kind::AgentStarted));
    let again = states.lines(at(100), LAB, &Event::Rests);
    assert_eq!(kinds(&again), [Kind::Rests]);
    lines.extend(again);
    assert_eq!(
        minutes(&coverage(&lines, at(90), at(120), true)[0]),
        [(10, State::Unwatched), (20, State::Resting)]
    );
    // What is found expired is told to rest a moment later.
    let moment = |milliseconds| at(0).checked_add(SignedDuration::from_millis(milliseconds)).unwrap();
    for (later, expired) in [(40, 0), (6000, 1)] {
        let mut found = vec![agent(-10, Kind::AgentStarted), holding(-5, Holds::Tokens, Some(-5))];
        found[1].at = at(0);
        let rests = Line { holds: None, rests: true, event: Kind::Rests, ..holding(0, Holds::Tokens, None) };
        found.push(Line { at: moment(later), ..rests });
        let one = &coverage(&found, at(-10), at(10), true)[0];
        assert_eq!(one.spans.len(), 1 + expired, "{one:?}");
        assert_eq!(one.spans[expired].state, State::Resting);
    }
    // A line of an earlier version rests nowhere.
    let old = r#"{"v":1,"at":"2023-11-14T22:13:20Z","event":"refreshed","holds":"tokens"}"#;
    assert_eq!(serde_json::from_str::<Line>(old).unwrap().turns(), Some(false));
}

#[test]
fn the_files_stay_bounded_and_what_holds_is_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(folder.path());
    history.agent_started();
    history.note(at(0), LAB, &held("one", 60));
    let quiet = Subject { store: STORE, entry: Some(("quiet|00", "quiet")) };
    history.note(at(0), quiet, &held("two", 1_000_000));
    for turn in 0..3 * FULL / 400 {
        history.note(at(1), LAB, &failed(&format!("{turn} {}", "x".repeat(200))));
    }
    let sizes: Vec<_> = ["history.jsonl", "history.1.jsonl"]
        .iter()
        .map(|name| fs::metadata(folder.path().join(name)).unwrap().len())
        .collect();
    assert!(sizes.iter().all(|size| *size < FULL + 10_000), "{sizes:?}");
    let lines = read(folder.path()).unwrap().lines;
    assert!(kinds(&lines).iter().all(|kind| *kind != Kind::Found), "the beginning is gone");
    let coverages = coverage(&lines, at(0), at(100), true);
    let quiet = coverages.iter().find(|coverage| coverage.server == "quiet").unwrap();
    assert_eq!(minutes(quiet), [(99, State::Valid)], "the quiet one is still known");
}

#[test]
fn coverage_is_the_share_of_the_watched_time_in_which_the_token_was_valid() {
    let lines = [
        agent(0, Kind::AgentStarted),
        holding(0, Holds::Tokens, Some(60)),
        holding(80, Holds::Tokens, Some(140)),
        holding(100, Holds::Missing, None),
        holding(110, Holds::Tokens, Some(170)),
        holding(150, Holds::Removed, None),
        holding(180, Holds::Tokens, None),
    ];
    let all = coverage(&lines, at(0), at(200), true);
    assert_eq!(
        minutes(&all[0]),
        [(60, Valid), (20, Expired), (20, Valid), (10, Missing), (40, Valid), (30, Removed), (20, Valid)]
    );
    assert_eq!(all[0].permille(), Some(140 * 1000 / 170), "a logout is nobody's failure");
    let end = coverage(&lines, at(70), at(90), true);
    assert_eq!(minutes(&end[0]), [(10, Expired), (10, Valid)]);
}

#[test]
fn while_the_agent_is_off_nobody_knows_what_the_store_holds() {
    let begin = [agent(0, Kind::AgentStarted), holding(0, Holds::Tokens, Some(60))];
    let with = |more: &[Line]| [&begin[..], more].concat();
    let ended = with(&[agent(30, Kind::AgentEnded)]);
    assert_eq!(minutes(&coverage(&ended, at(0), at(100), false)[0]), [(30, Valid), (70, Unwatched)]);
    // Killed: sometime after the last line.
    let killed = with(&[holding(40, Holds::Tokens, Some(95)), agent(90, Kind::AgentStarted)]);
    assert_eq!(
        minutes(&coverage(&killed, at(0), at(100), true)[0]),
        [(40, Valid), (50, Unwatched), (5, Valid), (5, Expired)]
    );
    assert_eq!(minutes(&coverage(&begin, at(0), at(100), true)[0]), [(60, Valid), (40, Expired)]);
    assert_eq!(minutes(&coverage(&begin, at(0), at(100), false)[0]), [(100, Unwatched)]);
    assert_eq!(coverage(&ended, at(70), at(100), false)[0].permille(), None);
}

#[test]
fn time_in_which_the_machine_slept_is_not_counted() {
    let slept = |since, until| Line { since: Some(at(since)), ..agent(until, Kind::Slept) };
    let lines = [
        agent(0, Kind::AgentStarted),
        holding(0, Holds::Tokens, Some(60)),
        // The token expired meanwhile; it was refreshed right after the machine woke up, and before the sleep was written down.
        holding(500, Holds::Tokens, Some(560)),
        slept(30, 500),
        slept(510, 520),
    ];
    let one = &coverage(&lines, at(0), at(540), true)[0];
    assert_eq!(minutes(one), [(30, Valid), (470, Asleep), (10, Valid), (10, Asleep), (20, Valid)]);
    assert_eq!(one.permille(), Some(1000));
    // A sleep that begins before the window, and one that outlasts it.
    assert_eq!(minutes(&coverage(&lines, at(400), at(505), true)[0]), [(100, Asleep), (5, Valid)]);
    // Sleeps that overlap, as a clock that was set makes them.
    let overlapping = [&lines[..], &[slept(490, 515)]].concat();
    let spans = minutes(&coverage(&overlapping, at(0), at(540), true)[0]);
    assert_eq!(spans.iter().map(|(minutes, _)| minutes).sum::<i64>(), 540, "{spans:?}");
    // What was off was off.
    let off = [&lines[..2], &[agent(20, Kind::AgentEnded), slept(30, 90)]].concat();
    assert_eq!(minutes(&coverage(&off, at(0), at(100), false)[0]), [(20, Valid), (80, Unwatched)]);
}

#[test]
fn a_share_that_is_not_whole_is_never_called_so() {
    let lines = [agent(0, Kind::AgentStarted), holding(0, Holds::Tokens, Some(9999))];
    assert_eq!(percent_of(&coverage(&lines, at(0), at(10_000), true)[0]), " 99.9 %");
    assert_eq!(percent_of(&coverage(&lines, at(0), at(9999), true)[0]), "100.0 %");
}
