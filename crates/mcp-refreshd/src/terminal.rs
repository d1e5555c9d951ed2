//! What standard output can show.

use std::io::IsTerminal as _;

/// What a picture may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Columns.
    pub(crate) width: usize,
    /// The locale is UTF-8.
    pub(crate) unicode: bool,
    pub(crate) colour: bool,
}

impl Terminal {
    /// That of standard output; `None` where it is none.
    pub(crate) fn of_stdout() -> Option<Self> {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return None;
        }
        // A terminal that does not know its width says 0.
        let width = rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col));
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let dumb = env("TERM").is_none_or(|term| term == "dumb");
        Some(Self {
            width: width.filter(|width| *width > 0).unwrap_or(80),
            unicode: is_utf8(&env),
            colour: !dumb && env("NO_COLOR").is_none(),
        })
    }
}

/// Whether the locale's characters are UTF-8 (POSIX: the first of these that is set counts).
fn is_utf8(env: &dyn Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(env).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_names_the_locale() {
        let utf8 = |set: &[(&str, &str)]| {
            is_utf8(&|name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(utf8(&[("LANG", "de_DE.UTF-8")]) && utf8(&[("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
        assert!(!utf8(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]) && !utf8(&[]));
    }
}
