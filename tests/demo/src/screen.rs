//! The screen as text, and the only place that prints. On a terminal the picture is painted over itself; elsewhere each change is a line.

use crate::story::{Change, Row, SIDE, Side, Tone};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// What is shown above both sides.
pub(crate) const HEAD: [&str; 2] = [
    "Five sessions of Claude Code start on an expired token. The token endpoint",
    "takes 9 s, and a refresh token that comes twice revokes the login.",
];
/// Of the labels at the left of each side.
pub(crate) const LABEL: usize = 11;

/// What a row shows now.
pub(crate) fn latest(changes: &[Change], side: Side, row: Row) -> Option<&Change> {
    changes.iter().rev().find(|change| (change.side, change.row) == (side, row))
}

/// A text that fits its side.
pub(crate) fn fitting(text: &str) -> String {
    text.chars().take(SIDE - LABEL).collect()
}

/// Both sides beside each other, at most 80 columns wide.
pub(crate) fn lines(changes: &[Change], elapsed: Duration, colour: bool) -> Vec<String> {
    let mut lines: Vec<_> = HEAD.iter().map(|line| (*line).to_owned()).collect();
    lines.push(String::new());
    let titles = Side::BOTH.map(|side| format!("{:<SIDE$}", side.title()));
    lines.push(format!("{} | {}", titles[0], titles[1].trim_end()));
    lines.extend(Row::all().map(|row| {
        let cells = Side::BOTH.map(|side| {
            let change = latest(changes, side, row);
            let text = format!(
                "{:<width$}",
                fitting(change.map_or("", |change| &change.text)),
                width = SIDE - LABEL
            );
            format!(
                "{:<LABEL$}{}",
                row.label(),
                painted(&text, change.map_or(Tone::Plain, |change| change.tone), colour)
            )
        });
        format!("{} | {}", cells[0], cells[1].trim_end())
    }));
    lines.push(format!("{:>78}", format!("{:.0} s", elapsed.as_secs_f32())));
    lines
}

/// Blue and yellow: red and green look alike to many.
fn painted(text: &str, tone: Tone, colour: bool) -> String {
    let code = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Busy => "90",
        Tone::Good => "34",
        Tone::Bad => "33",
    };
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

pub(crate) struct Screen {
    terminal: bool,
    colour: bool,
    /// Lines of the picture at the bottom.
    painted: usize,
    told: usize,
}

impl Screen {
    pub(crate) fn of_stdout() -> Self {
        let terminal =
            io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { terminal, colour, painted: 0, told: 0 }
    }

    /// A reader that went away (`| head`) is no reason to leave the agent running: errors are not for here.
    fn put(&self, text: &str) {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    pub(crate) fn show(&mut self, changes: &[Change], elapsed: Duration) {
        if self.terminal {
            let lines = lines(changes, elapsed, self.colour);
            let up = if self.painted > 0 { format!("\x1b[{}A\x1b[J", self.painted) } else { String::new() };
            self.painted = lines.len();
            self.put(&format!("{up}{}\n", lines.join("\n")));
            return;
        }
        if self.told == 0 {
            self.put(&format!("{}\n", HEAD.join("\n")));
        }
        for change in changes.iter().skip(self.told) {
            let (at, row) = (change.at.as_secs_f32(), change.row.label());
            let side = change.side.title().split(' ').next().unwrap_or_default();
            self.put(&format!("{at:>5.1} s  {side:<8}{row:<LABEL$}{}\n", change.text));
        }
        self.told = changes.len();
    }

    pub(crate) fn line(&self, line: &str) {
        self.put(&format!("{line}\n"));
    }

    pub(crate) fn complain(&self, line: &str) {
        let _ = writeln!(io::stderr(), "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_fits_80_columns_whatever_happens() {
        let change =
            |side, row| Change { at: Duration::ZERO, side, row, text: "x".repeat(99), tone: Tone::Plain };
        let changes: Vec<_> = Row::all().flat_map(|row| Side::BOTH.map(|side| change(side, row))).collect();
        let lines = lines(&changes, Duration::from_secs(31), false);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
        assert!(lines.len() < 24, "a terminal's 24 rows");
    }
}
