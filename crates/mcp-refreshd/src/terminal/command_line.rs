//! A command that is there to be copied, in lines that a shell reads as one.

use crate::platform::SHELL;
use crate::platform::shell::Shell;
use crate::terminal::columns::width;

/// The command in lines of at most this many columns: where one does not do, each but the last ends in a backslash, which the shell takes as
/// "goes on". Broken between words where that is possible.
pub(crate) fn command_lines(command: &str, columns: usize) -> Vec<String> {
    // Room for a quote, a backslash and a character or an escape between them.
    const LEAST: usize = 10;
    let columns = columns.max(LEAST);
    // PowerShell takes a backslash for a part of the command.
    if width(command) <= columns || SHELL == Shell::PowerShell {
        return vec![command.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in words(command) {
        let space = if lines.last().is_some_and(String::is_empty) { "" } else { " " };
        let used = lines.last().map_or(0, |line| width(line));
        // Two more columns for " \".
        if used + space.len() + width(&word) + 2 <= columns {
            append(&mut lines, &format!("{space}{word}"));
            continue;
        }
        if !space.is_empty() {
            append(&mut lines, " \\");
            lines.push(String::new());
        }
        broken(&word, columns, &mut lines);
    }
    lines
}

fn append(lines: &mut [String], text: &str) {
    if let Some(line) = lines.last_mut() {
        line.push_str(text);
    }
}

/// How a character stands in a word: the quote that opened before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    None,
    /// `'…'`: every character means itself.
    Single,
    /// `$'…'`: with escapes.
    Escaped,
}

impl Quote {
    fn opened(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Single => "'",
            Self::Escaped => "$'",
        }
    }

    fn closed(self) -> &'static str {
        if self == Self::None { "" } else { "'" }
    }
}

/// The smallest parts that a word can be broken between, each with the quote it stands in.
fn parts(word: &str) -> Vec<(Quote, String)> {
    let (mut parts, mut quote, mut rest) = (Vec::new(), Quote::None, word.chars().peekable());
    while let Some(character) = rest.next() {
        match (quote, character) {
            (Quote::None, '\'') => quote = Quote::Single,
            (Quote::None, '$') if rest.peek() == Some(&'\'') => {
                rest.next();
                quote = Quote::Escaped;
            }
            (Quote::Single | Quote::Escaped, '\'') => quote = Quote::None,
            (Quote::None | Quote::Escaped, '\\') => {
                let mut escape = String::from('\\');
                let what = rest.next();
                escape.extend(what);
                // `\xHH`, and all bytes of one character.
                if quote == Quote::Escaped && what == Some('x') {
                    escape.extend(rest.by_ref().take(2));
                }
                parts.push((quote, escape));
            }
            (_, other) => parts.push((quote, other.to_string())),
        }
    }
    parts
}

/// A word that is wider than a line.
fn broken(word: &str, columns: usize, lines: &mut Vec<String>) {
    let mut open = Quote::None;
    for (quote, part) in parts(word) {
        let change =
            if quote == open { String::new() } else { format!("{}{}", open.closed(), quote.opened()) };
        let used = lines.last().map_or(0, |line| width(line));
        // What is added, the quote that closes it, and the backslash.
        if used + width(&change) + width(&part) + quote.closed().len() + 2 > columns {
            append(lines, &format!("{}\\", open.closed()));
            lines.push(format!("{}{part}", quote.opened()));
        } else {
            append(lines, &format!("{change}{part}"));
        }
        open = quote;
    }
    append(lines, open.closed());
}

/// The words of a command, as they are written.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut quoted, mut escaped) = (vec![String::new()], false, false);
    let mut dollar = false;
    for character in command.chars() {
        if character == ' ' && !quoted && !escaped {
            words.push(String::new());
            continue;
        }
        if character == '\'' && !escaped {
            // In `'…'` a backslash escapes nothing.
            dollar = !quoted && words.last().is_some_and(|word| word.ends_with('$'));
            quoted = !quoted;
        }
        escaped = character == '\\' && !escaped && (!quoted || dollar);
        if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(unix)]
    use crate::terminal::wording::quoted;
    use proptest::prelude::*;
    #[cfg(unix)]
    use std::process::Command;

    /// What a shell makes of it, each argument in a line of its own kind.
    #[cfg(unix)]
    fn arguments(script: &str) -> Vec<u8> {
        let output = Command::new("bash").args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        output.stdout
    }

    #[test]
    fn a_command_that_fits_is_one_line() {
        assert_eq!(command_lines("claude mcp login lab", 20), ["claude mcp login lab"]);
    }

    #[cfg(unix)] // Another system's shell goes on in another way.
    #[test]
    fn a_longer_one_goes_on_in_the_next_line() {
        assert_eq!(command_lines("claude mcp login linear", 20), ["claude mcp login \\", "linear"]);
        assert_eq!(
            command_lines("claude mcp login plugin:figma:figma-desktop", 20),
            ["claude mcp login \\", "plugin:figma:figma\\", "-desktop"]
        );
        assert_eq!(
            command_lines("claude mcp login 'my own long server name'", 20),
            ["claude mcp login \\", "'my own long serv'\\", "'er name'"]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[cfg(unix)] // It starts a shell.
        #[test]
        fn a_shell_reads_the_same_command(name in "[ -~é開\u{1b}\n]{1,60}", columns in 10_usize..40) {
            let command = format!("printf '%s|' login {}", quoted(&name));
            let lines = command_lines(&command, columns);
            prop_assert!(lines.iter().all(|line| width(line) <= columns), "{lines:?}");
            prop_assert_eq!(arguments(&lines.join("\n")), arguments(&command), "{:?}", lines);
        }
    }
}
