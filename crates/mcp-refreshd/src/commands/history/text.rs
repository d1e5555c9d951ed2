use super::canvas::Canvas;
use super::coverage::{Coverage, State};
use crate::observers::history::line::Line;
use crate::terminal::columns::{labelled, padded, shortened, width};
use crate::terminal::style::Style;
use crate::terminal::wording::{length, visible};
use jiff::Timestamp;
use std::time::Duration;

/// Longer names are cut beside a picture.
const LONGEST_NAME: usize = 20;

/// One line for each event, newest last.
pub(super) fn events(lines: &[&Line], style: &Style) -> String {
    let name = |line: &Line| match line.server.as_deref() {
        Some(name) => style.shows(&shortened(&style.shows(&visible(name)), LONGEST_NAME)).into_owned(),
        None => "-".to_owned(),
    };
    let names = lines.iter().map(|line| width(&name(line))).max().unwrap_or(0);
    let columns = style.size.map(|(columns, _)| columns);
    lines
        .iter()
        .map(|line| {
            let head = format!("{}  {}  ", seconds(line.at), padded(&name(line), names));
            labelled(&head, style.shows(&story(line)).trim_end(), columns)
        })
        .collect()
}

/// One event of a known server.
pub(super) fn event(line: &Line) -> String {
    format!("{} {}", seconds(line.at), story(line)).trim_end().to_owned()
}

fn story(line: &Line) -> String {
    let mut story = line.event.wording().to_owned();
    match (line.before, line.after) {
        (Some(before), Some(after)) if before != after => story.push_str(&format!(" {before} -> {after}")),
        (_, Some(after)) => story.push_str(&format!(" {after}")),
        (Some(before), None) => story.push_str(&format!(" {before}")),
        (None, None) => {}
    }
    if let Some(expires_at) = line.expires_at {
        story.push_str(&format!(", good until {}", seconds(expires_at)));
    }
    if let Some(cause) = &line.cause {
        story.push_str(&format!(": {}", visible(cause)));
    }
    story
}

/// What the picture shows, in words: for those who read it without a terminal.
pub(super) fn summary(coverages: &[Coverage]) -> String {
    let name = |coverage: &Coverage| shortened(&coverage.server, LONGEST_NAME);
    let names = coverages.iter().map(|coverage| width(&name(coverage))).max().unwrap_or(0);
    let one = |coverage: &Coverage| {
        let times = State::ALL.into_iter().filter(|state| coverage.time(*state) > 0);
        let times: Vec<_> =
            times.map(|state| format!("{} {}", state.wording(), time(coverage, state))).collect();
        format!("{}  {}  {}\n", padded(&name(coverage), names), percent(coverage), times.join(", "))
    };
    coverages.iter().map(one).collect()
}

fn time(coverage: &Coverage, state: State) -> String {
    length(Duration::from_millis(u64::try_from(coverage.time(state)).unwrap_or(0)))
}

/// Seven characters wide.
pub(super) fn percent(coverage: &Coverage) -> String {
    match coverage.permille() {
        Some(permille) => format!("{:>5} %", format!("{}.{}", permille / 10, permille % 10)),
        None => "    - %".to_owned(),
    }
}

/// A line of blocks for each server: each shows the worst that happened in its share of the time.
pub(super) fn picture(coverages: &[Coverage], from: Timestamp, until: Timestamp, terminal: Canvas) -> String {
    let widest = LONGEST_NAME.min((terminal.width / 3).max(1));
    let name = |coverage: &Coverage| shortened(&terminal.shows(&visible(&coverage.server)), widest);
    let names = coverages.iter().map(|coverage| width(&name(coverage))).max().unwrap_or(0);
    let bar = terminal.width.saturating_sub(names + 2 + 7).max(4);
    let cell = Duration::from_millis(whole_ms(from, until) / u64::try_from(bar).unwrap_or(1));
    let mut text = String::new();
    for row in [format!("{} to {}", seconds(from), seconds(until)), format!("one block: {}", length(cell))] {
        text.push_str(&format!("{}\n", shortened(&row, terminal.width)));
    }
    for coverage in coverages {
        let blocks = blocks(coverage, from, until, bar, terminal);
        text.push_str(&format!("{} {blocks} {}\n", padded(&name(coverage), names), percent(coverage)));
    }
    text.push_str(&legend(terminal));
    if terminal.unicode { text } else { text.replace('…', "~") }
}

fn whole_ms(from: Timestamp, until: Timestamp) -> u64 {
    u64::try_from(until.as_millisecond() - from.as_millisecond()).unwrap_or(0)
}

fn blocks(coverage: &Coverage, from: Timestamp, until: Timestamp, bar: usize, terminal: Canvas) -> String {
    let moment = |cell: usize| {
        let share = u128::from(whole_ms(from, until)) * cell as u128 / bar.max(1) as u128;
        let ms = i64::try_from(share).unwrap_or(i64::MAX).saturating_add(from.as_millisecond());
        Timestamp::from_millisecond(ms).unwrap_or(until)
    };
    let states: Vec<_> = (0..bar).map(|cell| coverage.worst(moment(cell), moment(cell + 1))).collect();
    let mut text = String::new();
    for run in states.chunk_by(|one, other| one == other) {
        let state = run.first().copied().flatten();
        let blocks: String = run.iter().map(|_| block(state, terminal)).collect();
        text.push_str(&coloured(&blocks, state, terminal));
    }
    text
}

fn block(state: Option<State>, terminal: Canvas) -> char {
    let (unicode, ascii) = match state {
        Some(State::Valid) => ('█', '#'),
        Some(State::Resting) => ('▂', '_'),
        Some(State::Expired) => ('▒', 'x'),
        Some(State::Missing) => ('░', '-'),
        Some(State::Unwatched) => ('·', '.'),
        Some(State::Removed) | None => (' ', ' '),
    };
    if terminal.unicode { unicode } else { ascii }
}

fn coloured(text: &str, state: Option<State>, terminal: Canvas) -> String {
    let colour = match state {
        Some(State::Valid) => 32,
        Some(State::Resting) => 36,
        Some(State::Expired) => 31,
        Some(State::Missing) => 35,
        Some(State::Unwatched) => 90,
        Some(State::Removed) | None => return text.to_owned(),
    };
    if terminal.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn legend(terminal: Canvas) -> String {
    let mut text = String::new();
    let mut column = 0;
    for state in State::ALL.into_iter().filter(|state| *state != State::Removed) {
        let width = 2 + state.wording().len();
        if column > 0 && column + 2 + width > terminal.width {
            text.push('\n');
            column = 0;
        }
        if column > 0 {
            text.push_str("  ");
            column += 2;
        }
        let block = coloured(&block(Some(state), terminal).to_string(), Some(state), terminal);
        text.push_str(&format!("{block} {}", state.wording()));
        column += width;
    }
    text.push('\n');
    text
}

/// Without the fractions that nobody reads.
fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
