//! Prose for a terminal: broken between words, and a command in it never so that a shell would read another one.

use crate::platform::SHELL;
use crate::platform::shell::Shell;
use crate::terminal::columns::{folded, width};
use crate::terminal::command_line::command_lines;
use crate::terminal::style::Style;

/// After these words a command follows.
const BEFORE_A_COMMAND: [&str; 4] = ["type: ", "in again: ", "then: ", "as before: "];
/// How far further lines are indented.
const HANGING: usize = 2;
/// Beside an indent there is room for so much.
const LEAST: usize = 10;

/// Each line of the text in lines of at most this many columns, further ones indented. In the characters that the terminal shows; only a
/// command is left as it is, as an escaped one would be another one.
pub(crate) fn paragraphs(text: &str, columns: usize, style: &Style) -> Vec<String> {
    text.split('\n').flat_map(|line| paragraph(line, columns, style)).collect()
}

/// A label with such a text beside it, or below it where the terminal is too narrow for that. The text may begin with a command, or with one "or"
/// another.
pub(crate) fn beside(label: &str, text: &str, columns: usize, style: &Style) -> String {
    /// A narrower column of text is hard to read.
    const READABLE: usize = 24;
    let columns = columns.max(LEAST);
    let (indent, fits) = (width(label), columns >= width(label) + READABLE);
    let mut lines = Lines {
        columns,
        hanging: if fits { indent } else { HANGING },
        lines: vec![label.to_owned()],
        closed: !fits && indent + width(text) > columns,
    };
    let mut prose = text;
    while is_command(prose) {
        let (command, rest) = prose.split_at(command_end(prose));
        let (end, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
        lines.take_command(command, end);
        prose = match rest.trim_start_matches(' ').strip_prefix("or ") {
            Some(other) if is_command(other) => {
                lines.take("or");
                other
            }
            _ => rest,
        };
    }
    pieces(prose).into_iter().for_each(|piece| lines.take_piece(piece, style));
    lines.lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Whether it begins with one of the programs that cures run, or with a variable for one.
fn is_command(text: &str) -> bool {
    const PROGRAMS: [&str; 11] = [
        "claude",
        "mcp-refreshd",
        "setsid",
        "env",
        "chmod",
        "sudo",
        "kill",
        "systemctl",
        "launchctl",
        "rm",
        "mv",
    ];
    let word = text.split(' ').next().unwrap_or_default();
    PROGRAMS.contains(&word) || word.contains('=')
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
        let quoted = words.strip_prefix('`').and_then(|rest| rest.split_once('`'));
        match quoted.filter(|(words, _)| words.contains(' ')) {
            // Too long for a line it is a command.
            Some((command, _)) if self.hanging + width(words) > self.columns => {
                self.take_command(command, "")
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
            // A label ends in its own space.
            Some(line) if width(line) + usize::from(!line.ends_with(' ')) + width(words) <= columns => {
                if !line.ends_with(' ') {
                    line.push(' ');
                }
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
            ["to do so, type: kill 7,", "  then: mcp-refreshd run"]
        );
        assert_eq!(
            laid(
                "to restart it, type: kill 7, then start it again as before: setsid -f mcp-refreshd run",
                40
            ),
            [
                "to restart it, type: kill 7, then start",
                "  it again as before:",
                "  setsid -f mcp-refreshd run"
            ]
        );
        let quoted = "log in again: claude mcp login 'my; own, (lab)'";
        assert_eq!(laid(quoted, 40), ["log in again:", "  claude mcp login 'my; own, (lab)'"]);
        assert_eq!(laid("see `mcp-refreshd doctor` now", 24), ["see", "  `mcp-refreshd doctor`", "  now"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_label_has_its_text_beside_it_and_a_command_stays_one() {
        let cure = |text: &str, columns| beside("  cure    ", text, columns, &UTF8);
        let text = "claude mcp login lab (each time it ends)";
        assert_eq!(cure(text, 50), format!("  cure    {text}\n"));
        assert_eq!(cure(text, 40), "  cure    claude mcp login lab (each\n          time it ends)\n");
        assert_eq!(cure(text, 18), "  cure\nclaude mcp login \\\nlab\n  (each time it\n  ends)\n");
        assert_eq!(
            cure("log in again: claude mcp login junk", 40),
            "  cure    log in again:\n          claude mcp login junk\n"
        );
        assert_eq!(
            cure("move it: `mv /srv/store.json /srv/store.json.old`, then wait", 36),
            "  cure    move it:\nmv /srv/store.json \\\n/srv/store.json.old\n          then wait\n"
        );
    }

    #[cfg(unix)]
    #[test]
    fn of_two_commands_each_stays_one() {
        assert_eq!(
            beside("  cure    ", "mcp-refreshd doctor --fix, or rm /srv/lock; then wait", 40, &UTF8),
            "  cure    mcp-refreshd doctor --fix, or\n          rm /srv/lock; then wait\n"
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
