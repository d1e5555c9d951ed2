//! What standard output and standard error support: its size, colours, and characters beyond ASCII.

use crate::platform::terminal;
use std::borrow::Cow;
use std::ffi::OsString;
use std::io::IsTerminal;

/// The size of a terminal that does not report one.
const USUAL: (usize, usize) = (80, 24);

/// How to lay out text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Columns and rows; `None` if it is not a terminal.
    pub(crate) size: Option<(usize, usize)>,
    pub(crate) colour: bool,
    /// Characters beyond ASCII can be shown.
    pub(crate) utf8: bool,
    /// The cursor can be moved.
    pub(crate) cursor: bool,
}

impl Style {
    /// The style of standard output right now; a terminal can be resized.
    pub(crate) fn of_stdout() -> Self {
        let out = std::io::stdout();
        Self::now(out.is_terminal().then(|| terminal::window_size(out)))
    }

    /// The style of standard error right now.
    pub(crate) fn of_stderr() -> Self {
        let err = std::io::stderr();
        Self::now(err.is_terminal().then(|| terminal::window_size(err)))
    }

    /// For a terminal that reports this size; `None` if it is none.
    fn now(reported: Option<(usize, usize)>) -> Self {
        let env = |name: &str| std::env::var_os(name);
        let Some((columns, rows)) = reported else { return Self::new(None, &env) };
        let or = |told: usize, variable: &str, usual: usize| match told {
            0 => env(variable)
                .and_then(|value| value.to_str()?.parse().ok())
                .filter(|number| *number > 0)
                .unwrap_or(usual),
            told => told,
        };
        Self::new(Some((or(columns, "COLUMNS", USUAL.0), or(rows, "LINES", USUAL.1))), &env)
    }

    /// The style for a terminal of this size and this environment.
    pub(crate) fn new(size: Option<(usize, usize)>, env: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let able = size.is_some() && terminal::understands_escapes(env);
        Self {
            size,
            colour: able && set("NO_COLOR").is_none(),
            utf8: terminal::shows_unicode(env),
            cursor: able,
        }
    }

    /// The text in characters that this terminal can show. A pipe or file gets the text unchanged.
    pub(crate) fn shows<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.utf8 || self.size.is_none() || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut ascii = String::new();
        for character in text.chars() {
            match character {
                '…' => ascii.push('~'),
                other if other.is_ascii() => ascii.push(other),
                other => ascii.extend(other.escape_unicode()),
            }
        }
        Cow::Owned(ascii)
    }

    /// The text in this colour (the parameters of the escape sequence), if colours are enabled.
    pub(crate) fn painted(&self, text: &str, colour: &str) -> String {
        if self.colour && !colour.is_empty() {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(size: Option<(usize, usize)>, variables: &[(&str, &str)]) -> Style {
        Style::new(size, &|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn colours_need_a_capable_terminal_and_respect_no_color() {
        let xterm = [("TERM", "xterm")];
        assert!(style(Some((80, 24)), &xterm).colour);
        assert!(!style(None, &xterm).colour);
        assert!(!style(Some((80, 24)), &[("TERM", "dumb")]).colour);
        assert!(!style(Some((80, 24)), &[]).cursor);
        assert!(!style(Some((80, 24)), &[("TERM", "xterm"), ("NO_COLOR", "1")]).colour);
        assert!(style(Some((80, 24)), &[("TERM", "xterm"), ("NO_COLOR", "")]).colour);
    }

    // The console of Windows takes Unicode whatever the locale.
    #[cfg(unix)]
    #[test]
    fn locale_variables_take_precedence_as_in_posix() {
        assert!(style(None, &[("LANG", "de_DE.UTF-8")]).utf8);
        assert!(style(None, &[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")]).utf8);
        assert!(!style(None, &[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]).utf8);
        assert!(!style(None, &[]).utf8);
    }

    // The console of Windows takes Unicode whatever the locale.
    #[cfg(unix)]
    #[test]
    fn an_ascii_terminal_gets_ascii() {
        let ascii = style(Some((80, 24)), &[("LANG", "C")]);
        assert_eq!(ascii.shows("na\u{ef}ve…"), "na\\u{ef}ve~");
        assert_eq!(style(None, &[]).shows("naïve"), "naïve");
    }
}
