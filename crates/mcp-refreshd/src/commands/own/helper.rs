//! The command that Claude Code runs for the headers of an owned server.

use crate::commands::service::plan::program;
use crate::platform::process::shell_word;
use crate::terminal::failure::Failure;
use std::path::PathBuf;

/// The command for this server: it names the server, since older clients do not.
pub(crate) fn helper_for(name: &str) -> Result<String, Failure> {
    let program = program()?;
    let dashes = if name.starts_with('-') { "-- " } else { "" };
    Ok(format!("{} headers {dashes}{}", shell_word(&program.to_string_lossy()), shell_word(name)))
}

/// Whether `own` may have written this command, perhaps as another version of this program at another path.
pub(crate) fn is_ours(helper: &str, name: &str) -> bool {
    let names_it = [format!(" headers {}", shell_word(name)), format!(" headers -- {}", shell_word(name))];
    names_it.iter().any(|ending| helper.ends_with(ending.as_str()))
        && program_of(helper, name).is_some_and(|program| program.is_absolute())
}

/// Whether this command asks this program for the headers of this server, whoever wrote it: Claude Code names the server where the command
/// does not.
pub(crate) fn asks_us(helper: &str, name: &str) -> bool {
    program_of(helper, name).is_some()
}

/// Whether its program is known to be gone. One without a path is looked for where Claude Code runs.
pub(crate) fn leads_nowhere(helper: &str, name: &str) -> bool {
    program_of(helper, name).is_some_and(|program| program.is_absolute() && !program.exists())
}

/// The program that such a command runs.
pub(crate) fn program_of(helper: &str, name: &str) -> Option<PathBuf> {
    let word = endings(name).find_map(|ending| helper.trim().strip_suffix(ending.as_str()))?.trim();
    let program = PathBuf::from(unquoted(word)?);
    program.file_stem().is_some_and(|stem| stem == "mcp-refreshd").then_some(program)
}

/// What may follow the program.
fn endings(name: &str) -> impl Iterator<Item = String> {
    let single = (!name.contains('\'')).then(|| format!("'{name}'"));
    let double = (!name.contains(['"', '$', '`', '\\'])).then(|| format!("\"{name}\""));
    let spelt = [Some(shell_word(name)), single, double].into_iter().flatten();
    spelt
        .flat_map(|name| [format!(" headers {name}"), format!(" headers -- {name}")])
        .chain([" headers".to_owned()])
}

/// The text of a single word; `None` if it is more than that: another command may come first.
fn unquoted(word: &str) -> Option<String> {
    let within = |quote: char| word.strip_prefix(quote)?.strip_suffix(quote);
    let (text, forbidden): (_, &[char]) = if let Some(text) = within('\'') {
        (text.replace(r"'\''", "\u{0}"), &['\''])
    } else if let Some(text) = within('"') {
        (text.to_owned(), &['"', '`', '('])
    } else {
        (word.to_owned(), &[' ', '\t', '\n', '\r', '\'', '"', '`', ';', '&', '|', '<', '>', '(', ')'])
    };
    (!text.contains(forbidden)).then(|| text.replace('\u{0}', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Quoted for a POSIX shell.
    #[cfg(unix)]
    #[test]
    fn what_own_wrote_is_known_again_at_another_path_and_others_are_not() {
        for ours in ["/usr/bin/mcp-refreshd headers lab", "'/opt/my tools/mcp-refreshd' headers lab"] {
            assert!(is_ours(ours, "lab"), "{ours}");
        }
        for other in [
            "/usr/bin/mcp-refreshd headers other",
            "/usr/bin/token headers lab",
            "mcp-refreshd headers lab",
            "/usr/bin/mcp-refreshd headers",
            "mcp-refreshd",
            "",
        ] {
            assert!(!is_ours(other, "lab"), "{other}");
        }
        assert!(is_ours("/usr/bin/mcp-refreshd headers -- '-a b'", "-a b"));
    }

    // Quoted for a POSIX shell.
    #[cfg(unix)]
    #[test]
    fn a_line_that_somebody_wrote_for_this_program_is_understood_and_no_other_command() {
        let ours = [
            ("mcp-refreshd headers", "mcp-refreshd"),
            ("mcp-refreshd headers lab", "mcp-refreshd"),
            ("mcp-refreshd  headers -- lab ", "mcp-refreshd"),
            ("/usr/bin/mcp-refreshd headers \"lab\"", "/usr/bin/mcp-refreshd"),
            ("~/.local/bin/mcp-refreshd headers 'lab'", "~/.local/bin/mcp-refreshd"),
            (r"'/it'\''s/mcp-refreshd' headers", "/it's/mcp-refreshd"),
            ("\"$HOME/my bin/mcp-refreshd\" headers", "$HOME/my bin/mcp-refreshd"),
        ];
        for (helper, program) in ours {
            assert_eq!(program_of(helper, "lab").as_deref(), Some(std::path::Path::new(program)), "{helper}");
        }
        let others = [
            "mcp-refreshd headers other",
            "mcp-refreshd token lab",
            "mcp-refreshd",
            "other headers lab",
            "echo; /usr/bin/mcp-refreshd headers lab",
            "env A=1 mcp-refreshd headers",
            "'/a'; rm '/mcp-refreshd' headers",
            "\"$(rm x)/mcp-refreshd\" headers",
            "mcp-refreshd headers lab; true",
        ];
        for other in others {
            assert!(!asks_us(other, "lab"), "{other}");
        }
        assert!(
            asks_us("mcp-refreshd headers", "headers") && asks_us("mcp-refreshd headers headers", "headers")
        );
        assert!(!leads_nowhere("mcp-refreshd headers", "lab"));
        assert!(leads_nowhere("/nowhere/mcp-refreshd headers", "lab"));
    }
}
