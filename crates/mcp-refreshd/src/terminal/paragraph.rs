//! Prose for a terminal: broken between words, and a command in it never so that a shell would read another one.

use crate::platform::SHELL;
use crate::platform::shell::Shell;
use crate::terminal::columns::{folded, width};
use crate::terminal::command_line::command_lines;
use crate::terminal::style::Style;

/// After these words a command follows.
const BEFORE_A_COMMAND: [&str; 3] = ["type: ", "in again: ", "then: "];
/// How far further lines are indented.
const HANGING: usize = 2;
/// Beside an indent there is room for so much.
const LEAST: usize = 10;

/// Each line of the text in lines of at most this many columns, further ones indented. In the characters that the terminal shows; only a
/// command is left as it is, as an escaped one would be another one.
pub(crate) fn paragraphs(text: &str, columns: usize, style: &Style) -> Vec<String> {
    text.split('\n').flat_map(|line| paragraph(line, columns, style)).collect()
}

/// The same for a text that begins with a command.
pub(crate) fn command_first(text: &str, columns: usize, style: &Style) -> Vec<String> {
    let columns = columns.max(LEAST);
    let (command, prose) = text.split_at(command_end(text));
    let (end, prose) = prose.split_at(prose.find(' ').unwrap_or(prose.len()));
    let mut lines = Lines { columns, hanging: HANGING, lines: Vec::new(), closed: true };
    lines.take_command(command, end);
    pieces(prose).into_iter().for_each(|piece| lines.take_piece(piece, style));
    lines.lines
}

fn paragraph(line: &str, columns: usize, style: &Style) -> Vec<String> {
    let columns = columns.max(LEAST);
    if width(line) <= columns && (style.utf8 || line.is_ascii()) {
        return vec![line.to_owned()];
    }
    let prose = line.trim_start_matches(' ');
    let indent = line.len() - prose.len();
    let pieces = pieces(prose);
    let shown: String = pieces.iter().map(|piece| piece.shown(style)).collect::<Vec<_>>().join(" ");
    if indent + width(&shown) <= columns {
        return vec![format!("{}{shown}", " ".repeat(indent))];
    }
    let mut lines = Lines { columns, hanging: 0, lines: Vec::new(), closed: true };
    lines.hanging = Some(indent).filter(|indent| indent + LEAST <= columns).unwrap_or(0);
    for (number, piece) in pieces.into_iter().enumerate() {
        lines.take_piece(piece, style);
        if number == 0 {
            let hanging = indent + HANGING;
            lines.hanging = if hanging + LEAST <= columns { hanging } else { 0 };
        }
    }
    lines.lines
}

/// What is not broken where that can be avoided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// A word, or several in backquotes.
    Words(&'a str),
    /// A command, and what follows it without a space.
    Command { command: &'a str, end: &'a str },
}

impl Piece<'_> {
    fn shown(&self, style: &Style) -> String {
        match self {
            Self::Words(words) => style.shows(words).into_owned(),
            Self::Command { command, end } => format!("{command}{end}"),
        }
    }
}

fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let command =
            BEFORE_A_COMMAND.iter().filter_map(|before| Some(text.find(before)? + before.len())).min();
        let (prose, rest) = text.split_at(command.unwrap_or(text.len()));
        words(prose, &mut pieces);
        let rest = rest.trim_start_matches(' ');
        let (command, after) = rest.split_at(command_end(rest));
        // Punctuation stays with it.
        let (end, after) = after.split_at(after.find(' ').unwrap_or(after.len()));
        if !command.is_empty() {
            pieces.push(Piece::Command { command, end });
        }
        text = after;
    }
    pieces
}

fn words<'a>(mut text: &'a str, pieces: &mut Vec<Piece<'a>>) {
    loop {
        text = text.trim_start_matches(' ');
        if text.is_empty() {
            return;
        }
        let end_of_word = |from: usize| text.get(from..).and_then(|rest| rest.find(' ')).map(|at| from + at);
        let quoted = text.strip_prefix('`').and_then(|rest| rest.find('`')).map(|at| at + 2);
        let (word, rest) = text.split_at(end_of_word(quoted.unwrap_or(0)).unwrap_or(text.len()));
        pieces.push(Piece::Words(word));
        text = rest;
    }
}

/// Where prose goes on after a command: at one of these outside quotes.
fn command_end(text: &str) -> usize {
    let ends: &[&str] = match SHELL {
        Shell::Posix => &["; ", ", ", " (", "  "],
        // A semicolon stands between two commands.
        Shell::PowerShell => &[", ", " (", "  "],
    };
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        if !quoted && ends.iter().any(|end| rest.starts_with(end)) {
            return at;
        }
        quoted ^= character == '\'' && !escaped;
        escaped = character == '\\' && !escaped;
    }
    text.len()
}

struct Lines {
    columns: usize,
    hanging: usize,
    lines: Vec<String>,
    /// The last line is full.
    closed: bool,
}

impl Lines {
    fn take_piece(&mut self, piece: Piece<'_>, style: &Style) {
        match piece {
            Piece::Words(words) => self.take(&style.shows(words)),
            Piece::Command { command, end } => self.take_command(command, end),
        }
    }

    fn take(&mut self, words: &str) {
        if self.fits(words) {
            return;
        }
        match words.split_once(' ') {
            Some((word, rest)) if self.hanging + width(words) > self.columns => {
                self.take(word);
                self.take(rest.trim_start());
            }
            _ if self.hanging + width(words) <= self.columns => self.begin(words),
            // In one piece, so that it can be copied, wherever it can be.
            _ => {
                self.lines.extend(folded(words, self.columns));
                self.closed = false;
            }
        }
    }

    fn take_command(&mut self, command: &str, end: &str) {
        let whole = format!("{command}{end}");
        if self.fits(&whole) {
            return;
        }
        if self.hanging + width(&whole) <= self.columns {
            return self.begin(&whole);
        }
        // From the first column; that its line ends stands for what follows it.
        self.lines.extend(command_lines(command, self.columns));
        self.closed = true;
    }

    fn fits(&mut self, words: &str) -> bool {
        let columns = self.columns;
        match self.lines.last_mut().filter(|_| !self.closed) {
            Some(line) if width(line) + 1 + width(words) <= columns => {
                line.push(' ');
                line.push_str(words);
                true
            }
            _ => false,
        }
    }

    fn begin(&mut self, words: &str) {
        self.lines.push(format!("{}{words}", " ".repeat(self.hanging)));
        self.closed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UTF8: Style = Style { size: Some((80, 24)), colour: false, utf8: true, cursor: true };

    fn laid(text: &str, columns: usize) -> Vec<String> {
        paragraphs(text, columns, &UTF8)
    }

    #[test]
    fn what_fits_is_one_line_and_every_line_of_a_text_its_own() {
        assert_eq!(laid("mcp-refreshd: it is so", 80), ["mcp-refreshd: it is so"]);
        assert_eq!(laid("one\n  two\n", 80), ["one", "  two", ""]);
    }

    #[test]
    fn further_lines_are_indented() {
        assert_eq!(
            laid("lab: valid for 1 h only, no more", 16),
            ["lab: valid for 1", "  h only, no", "  more"]
        );
        assert_eq!(laid("  lab: valid for 1 h", 14), ["  lab: valid", "    for 1 h"]);
        // No room for an indent.
        assert_eq!(laid("valid for 1 h", 10), ["valid for", "1 h"]);
    }

    #[test]
    fn a_path_begins_its_own_line_before_it_is_broken() {
        let path = "/srv/work/store.json";
        assert_eq!(laid(&format!("the store {path} is gone"), 20), ["the store", path, "  is gone"]);
        assert_eq!(laid("in /srv/a/long/path", 12), ["in", "/srv/a/long/", "path"]);
    }

    // Commands are those of a POSIX shell.
    #[cfg(unix)]
    #[test]
    fn a_command_stays_one_command() {
        let text = "junk: left alone; log in again: claude mcp login junk; it stays";
        assert_eq!(laid(text, 80), [text]);
        assert_eq!(laid(text, 60), ["junk: left alone; log in again: claude mcp login junk; it", "  stays"]);
        assert_eq!(laid(text, 40), ["junk: left alone; log in again:", "  claude mcp login junk; it stays"]);
        assert_eq!(
            laid(text, 20),
            ["junk: left alone;", "  log in again:", "claude mcp login \\", "junk", "  it stays"]
        );
        assert_eq!(
            laid("to do so, type: kill 7, then: mcp-refreshd run", 24),
            ["to do so, type: kill 7,", "  then:", "  mcp-refreshd run"]
        );
        let quoted = "log in again: claude mcp login 'my; own, (lab)'";
        assert_eq!(laid(quoted, 40), ["log in again:", "  claude mcp login 'my; own, (lab)'"]);
        assert_eq!(laid("see `mcp-refreshd doctor` now", 26), ["see", "  `mcp-refreshd doctor`", "  now"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_text_that_begins_with_a_command_does_not_lose_it() {
        let text = "claude mcp login lab (each time it ends)";
        assert_eq!(command_first(text, 50, &UTF8), [format!("  {text}")]);
        assert_eq!(command_first(text, 30, &UTF8), ["  claude mcp login lab (each", "  time it ends)"]);
        assert_eq!(
            command_first(text, 18, &UTF8),
            ["claude mcp login \\", "lab", "  (each time it", "  ends)"]
        );
    }

    #[test]
    fn an_ascii_terminal_gets_ascii_but_the_command_itself() {
        let ascii = Style { utf8: false, ..UTF8 };
        assert_eq!(paragraphs("é, type: login é", 80, &ascii), ["\\u{e9}, type: login é"]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_and_no_word_is_lost(text in "[ -~é開\n]{0,120}", columns in 10_usize..90) {
            let lines = laid(&text, columns);
            prop_assert!(lines.iter().all(|line| width(line) <= columns), "{lines:?}");
            if !BEFORE_A_COMMAND.iter().any(|before| text.contains(before)) {
                let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
                prop_assert_eq!(plain(&lines.concat()), plain(&text));
            }
        }
    }
}
