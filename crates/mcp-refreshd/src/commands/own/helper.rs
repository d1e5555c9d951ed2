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

/// Whether this is such a command, perhaps of another version of this program at another path.
pub(crate) fn is_ours(helper: &str, name: &str) -> bool {
    let ending = [format!(" headers {}", shell_word(name)), format!(" headers -- {}", shell_word(name))];
    ending.iter().any(|ending| helper.ends_with(ending.as_str()))
        && program_of(helper).file_stem().is_some_and(|stem| stem == "mcp-refreshd")
}

/// The program that such a command runs.
pub(crate) fn program_of(helper: &str) -> PathBuf {
    let word = helper.rsplit_once(" headers ").map_or(helper, |(word, _)| word);
    let bare = word.strip_prefix(['\'', '"']).and_then(|word| word.strip_suffix(['\'', '"']));
    bare.unwrap_or(word).replace(r"'\''", "'").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Quoted for a POSIX shell.
    #[cfg(unix)]
    #[test]
    fn the_helper_is_known_again_at_another_path_and_others_are_not() {
        for ours in ["/usr/bin/mcp-refreshd headers lab", "'/opt/my tools/mcp-refreshd' headers lab"] {
            assert!(is_ours(ours, "lab"), "{ours}");
        }
        for other in ["/usr/bin/mcp-refreshd headers other", "/usr/bin/token headers lab", "mcp-refreshd", ""]
        {
            assert!(!is_ours(other, "lab"), "{other}");
        }
        assert!(is_ours("/usr/bin/mcp-refreshd headers -- '-a b'", "-a b"));
    }
}
