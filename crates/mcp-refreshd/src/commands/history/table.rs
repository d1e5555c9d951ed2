//! The summary as text: on a terminal a table with a picture, elsewhere one line for each entry.

use super::canvas::Canvas;
use super::coverage::{Coverage, State};
use super::events::Clock;
use super::summary::{Row, labels};
use crate::terminal::columns::{cut, padded, shortened, width};
use crate::terminal::local::Local;
use crate::terminal::wording::{counted, length, visible};
use jiff::Timestamp;
use std::time::Duration;

/// Longer names are cut beside a picture.
const LONGEST_NAME: usize = 20;
/// A picture of fewer blocks shows nothing; columns beside it go first.
const SHORTEST_BAR: usize = 12;

/// What a pipe gets: nothing cut, and moments that programs understand.
pub(super) fn plain(rows: &[Row], clock: &Clock) -> String {
    let labels: Vec<_> = labels(rows).iter().map(|label| visible(label)).collect();
    let names = labels.iter().map(|label| width(label)).max().unwrap_or(0);
    let line = |(label, row): (&String, &Row)| {
        let mut parts = vec![
            padded(label, names),
            percent(row.coverage.as_ref()),
            counted(row.refreshes, "refresh", "refreshes"),
            counted(row.failures, "failure", "failures"),
            counted(row.logins, "login", "logins"),
        ];
        parts.extend(row.last.map(|(kind, at)| format!("{} {}", kind.wording(), clock.time(at))));
        parts.extend(row.coverage.as_ref().map(times));
        format!("{}\n", parts.join("  "))
    };
    labels.iter().zip(rows).map(line).collect()
}

/// How long each state lasted.
fn times(coverage: &Coverage) -> String {
    let time = |state| length(Duration::from_millis(u64::try_from(coverage.time(state)).unwrap_or(0)));
    let states = State::ALL.into_iter().filter(|state| coverage.time(*state) > 0);
    states.map(|state| format!("{} {}", state.wording(), time(state))).collect::<Vec<_>>().join(", ")
}

/// Seven characters wide.
pub(super) fn percent(coverage: Option<&Coverage>) -> String {
    match coverage.and_then(Coverage::permille) {
        Some(permille) => format!("{:>5} %", format!("{}.{}", permille / 10, permille % 10)),
        None => "      -".to_owned(),
    }
}

/// A column beside the picture.
struct Column {
    head: &'static str,
    cells: Vec<String>,
    /// Texts begin on the left, numbers end on the right.
    left: bool,
}

impl Column {
    fn width(&self) -> usize {
        self.cells.iter().map(|cell| width(cell)).chain([self.head.len()]).max().unwrap_or(0)
    }

    fn cell(&self, text: &str) -> String {
        let columns = self.width();
        if self.left {
            text.to_owned()
        } else {
            format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
        }
    }
}

fn columns(rows: &[Row], local: &Local) -> Vec<Column> {
    let numbers = |head, number: fn(&Row) -> usize| Column {
        head,
        cells: rows.iter().map(|row| number(row).to_string()).collect(),
        left: false,
    };
    let last = |row: &Row| match row.last {
        Some((kind, at)) => format!("{} {}", kind.short(), coarse(&local.relative(at))),
        None => "-".to_owned(),
    };
    let valid = rows.iter().map(|row| percent(row.coverage.as_ref())).collect();
    vec![
        Column { head: "VALID", cells: valid, left: false },
        numbers("REFR", |row| row.refreshes),
        numbers("FAIL", |row| row.failures),
        numbers("LOGIN", |row| row.logins),
        Column { head: "LAST EVENT", cells: rows.iter().map(last).collect(), left: true },
    ]
}

/// A length of time without its smaller unit: "2 h ago" of "2 h 15 min ago".
fn coarse(relative: &str) -> String {
    match relative.split(' ').collect::<Vec<_>>()[..] {
        [number, unit, _, _, ago] => format!("{number} {unit} {ago}"),
        _ => relative.to_owned(),
    }
}

/// A table for a terminal, a picture in each row: each block shows the worst that happened in its share of the time.
pub(super) fn table(rows: &[Row], from: Timestamp, local: &Local, canvas: Canvas) -> String {
    let until = local.now;
    let widest = LONGEST_NAME.min((canvas.width / 3).max(1));
    let name =
        |label: &String| canvas.shows(&abbreviated(&canvas.shows(&visible(label)), widest)).into_owned();
    let names: Vec<_> = labels(rows).iter().map(name).collect();
    let label = names.iter().map(|name| width(name)).chain(["SERVER".len().min(widest)]).max().unwrap_or(0);
    let mut columns = columns(rows, local);
    let bar = loop {
        let beside: usize = columns.iter().map(|column| 2 + column.width()).sum();
        let bar = canvas.width.saturating_sub(label + 1 + beside);
        if bar >= SHORTEST_BAR || columns.pop().is_none() {
            break bar;
        }
    };
    let mut heads =
        format!("{} {}", padded(&cut("SERVER", label), label), padded(&cut("COVERAGE", bar), bar));
    columns.iter().for_each(|column| heads.push_str(&format!("  {}", column.cell(column.head))));
    let block = match whole_ms(from, until) / u64::try_from(bar.max(1)).unwrap_or(1) {
        0..1000 => "less than 1 s".to_owned(),
        block => length(Duration::from_millis(block)),
    };
    let title = format!("{} to now, each block is {block}", local.clock(from));
    let mut text = format!("{}\n{}\n", shortened(&title, canvas.width), heads.trim_end());
    for (index, (name, row)) in names.iter().zip(rows).enumerate() {
        let blocks = blocks(row.coverage.as_ref(), from, until, bar, canvas);
        let mut line = format!("{} {blocks}", padded(name, label));
        for column in &columns {
            line.push_str(&format!("  {}", column.cell(column.cells.get(index).map_or("", String::as_str))));
        }
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    text.push_str(&legend(rows, canvas));
    if canvas.unicode { text } else { text.replace('…', "~") }
}

/// At most this many columns of a name, cut in the middle: names of one kind differ at their ends.
fn abbreviated(name: &str, columns: usize) -> String {
    if width(name) <= columns {
        return name.to_owned();
    }
    let room = columns.saturating_sub(1);
    let mut end = name;
    while width(end) > room / 2 {
        let mut characters = end.chars();
        characters.next();
        end = characters.as_str();
    }
    format!("{}…{end}", cut(name, room - width(end)))
}

fn whole_ms(from: Timestamp, until: Timestamp) -> u64 {
    u64::try_from(until.as_millisecond() - from.as_millisecond()).unwrap_or(0)
}

fn blocks(
    coverage: Option<&Coverage>,
    from: Timestamp,
    until: Timestamp,
    bar: usize,
    canvas: Canvas,
) -> String {
    let moment = |cell: usize| {
        let share = u128::from(whole_ms(from, until)) * cell as u128 / bar.max(1) as u128;
        let ms = i64::try_from(share).unwrap_or(i64::MAX).saturating_add(from.as_millisecond());
        Timestamp::from_millisecond(ms).unwrap_or(until)
    };
    let worst = |cell| coverage.and_then(|coverage| coverage.worst(moment(cell), moment(cell + 1)));
    let states: Vec<_> = (0..bar).map(worst).collect();
    let mut text = String::new();
    for run in states.chunk_by(|one, other| one == other) {
        let state = run.first().copied().flatten();
        let blocks: String = run.iter().map(|_| block(state, canvas)).collect();
        text.push_str(&coloured(&blocks, state, canvas));
    }
    text
}

fn block(state: Option<State>, canvas: Canvas) -> char {
    let (unicode, ascii) = match state {
        Some(State::Valid) => ('█', '#'),
        Some(State::Resting) => ('▂', '_'),
        Some(State::Expired) => ('▒', 'x'),
        Some(State::Missing) => ('░', '-'),
        Some(State::Asleep) => ('z', 'z'),
        Some(State::Unwatched) => ('·', '.'),
        Some(State::Removed) | None => (' ', ' '),
    };
    if canvas.unicode { unicode } else { ascii }
}

/// Blue and yellow beside the blocks' own shapes: red and green look alike to many.
fn coloured(text: &str, state: Option<State>, canvas: Canvas) -> String {
    let colour = match state {
        Some(State::Valid) => 34,
        Some(State::Resting) => 36,
        Some(State::Expired) => 33,
        Some(State::Missing) => 35,
        Some(State::Asleep | State::Unwatched) => 90,
        Some(State::Removed) | None => return text.to_owned(),
    };
    if canvas.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// What the blocks mean, of those that are there.
fn legend(rows: &[Row], canvas: Canvas) -> String {
    let is_there = |state: &State| {
        *state != State::Removed
            && rows.iter().filter_map(|row| row.coverage.as_ref()).any(|of| of.time(*state) > 0)
    };
    let mut text = String::new();
    let mut column = 0;
    for state in State::ALL.into_iter().filter(is_there) {
        let width = 2 + state.wording().len();
        if column > 0 && column + 2 + width > canvas.width {
            text.push('\n');
            column = 0;
        }
        if column > 0 {
            text.push_str("  ");
            column += 2;
        }
        let block = coloured(&block(Some(state), canvas).to_string(), Some(state), canvas);
        text.push_str(&format!("{block} {}", state.wording()));
        column += width;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}
