//! The command that Claude Code runs for the headers of an owned server.

use crate::commands::service::plan::program;
use crate::platform::process::shell_word;
use crate::terminal::failure::Failure;

/// The command for this server: it names the server, since older clients do not.
pub(super) fn helper_for(name: &str) -> Result<String, Failure> {
    let program = program()?;
    let dashes = if name.starts_with('-') { "-- " } else { "" };
    Ok(format!("{} headers {dashes}{}", shell_word(&program.to_string_lossy()), shell_word(name)))
}

/// Whether this is such a command, perhaps of another version of this program at another path.
pub(super) fn is_ours(helper: &str, name: &str) -> bool {
    let ending = [format!(" headers {}", shell_word(name)), format!(" headers -- {}", shell_word(name))];
    let program = ending.iter().find_map(|ending| helper.strip_suffix(ending.as_str()));
    program.is_some_and(|program| program.trim_matches(['\'', '"']).ends_with("mcp-refreshd"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
