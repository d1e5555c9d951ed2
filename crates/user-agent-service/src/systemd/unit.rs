use crate::ServiceError;
use crate::stamp::stamp_line;
use std::path::{Path, PathBuf};

/// The unit as shipped.
const SHIPPED: &str = include_str!("../../../../systemd/mcp-refreshd.service");
/// Its only machine-dependent line, for a program installed by a package.
const PACKAGED: &str = "ExecStart=/usr/bin/mcp-refreshd run\n";

/// After ten failures in a row, the delays reach their maximum.
pub(super) const RESTART_STEPS: &str = "[Service]\nRestartSteps=10\nRestartMaxDelaySec=5min\n";

/// The unit for a program at this path.
///
/// # Errors
/// systemd does not support such a path.
pub(super) fn main(program: &Path) -> Result<String, ServiceError> {
    Ok(SHIPPED.replace(PACKAGED, &format!("{}\n", exec_start(program)?)))
}

/// A drop-in that replaces a unit's program.
///
/// # Errors
/// As for [`main`].
pub(super) fn program_drop_in(program: &Path) -> Result<String, ServiceError> {
    Ok(format!("[Service]\nExecStart=\n{}\n", exec_start(program)?))
}

/// A drop-in with variables; `None` if there are none.
///
/// # Errors
/// A value that no unit can contain.
pub(super) fn variables(variables: &[(String, String)]) -> Result<Option<String>, ServiceError> {
    let mut text = String::new();
    for (name, value) in variables {
        text.push_str(&format!("Environment={}\n", quoted(&format!("{name}={value}"))?));
    }
    Ok((!text.is_empty()).then(|| format!("[Service]\n{text}")))
}

/// Prepends a comment that identifies the text as ours.
pub(super) fn stamped(text: &str) -> String {
    format!("# {}\n{text}", stamp_line(text))
}

fn exec_start(program: &Path) -> Result<String, ServiceError> {
    let text = utf8(program)?;
    if !program.is_absolute() || text.contains(['"', '\'', '\\']) {
        return Err(ServiceError::Refused(format!(
            "systemd does not run programs whose path contains a quote or a backslash: {text}; move the program"
        )));
    }
    // Without the colon, a dollar sign in the first word would be expanded.
    let colon = if text.contains('$') { ":" } else { "" };
    Ok(format!("ExecStart={colon}{} run", word(text)?))
}

/// The program named in a unit or drop-in, if it can be parsed.
pub(super) fn program_in(file: &Path) -> Option<PathBuf> {
    program_of(&std::fs::read_to_string(file).ok()?)
}

/// The last command line takes precedence.
fn program_of(text: &str) -> Option<PathBuf> {
    let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix("ExecStart="));
    let line = lines.rfind(|line| !line.is_empty())?.trim_start_matches([':', '@', '-', '+', '!']);
    let mut program = String::new();
    let mut characters = line.strip_prefix('"').unwrap_or(line).chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if line.starts_with('"') => break,
            ' ' | '\t' if !line.starts_with('"') => break,
            '%' => {
                characters.next_if_eq(&'%')?;
                program.push('%');
            }
            '\\' => program.push(characters.next()?),
            other => program.push(other),
        }
    }
    let program = PathBuf::from(program);
    program.is_absolute().then_some(program)
}

/// A path as text.
///
/// # Errors
/// It is not UTF-8, which unit files require.
pub(super) fn utf8(path: &Path) -> Result<&str, ServiceError> {
    path.to_str().ok_or_else(|| {
        ServiceError::Refused(format!(
            "systemd requires UTF-8 paths, but this is not UTF-8: {}",
            path.display()
        ))
    })
}

/// A word of a unit file, quoted if necessary (systemd.syntax(7); `%` begins a specifier).
///
/// # Errors
/// It contains control characters, which would end the line.
fn word(text: &str) -> Result<String, ServiceError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@+=,%$~".contains(c);
    if text.chars().all(plain) && !text.is_empty() { Ok(text.replace('%', "%%")) } else { quoted(text) }
}

/// A quoted word of a unit file.
///
/// # Errors
/// As for [`word`].
pub(super) fn quoted(text: &str) -> Result<String, ServiceError> {
    if text.chars().any(char::is_control) {
        return Err(ServiceError::Refused(format!(
            "systemd does not accept control characters in a path or variable: {}",
            text.escape_default()
        )));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")))
}

// Its paths are those of Unix.
#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_unit_has_the_one_line_that_is_replaced() {
        assert_eq!(SHIPPED.matches(PACKAGED).count(), 1);
        let text = main(Path::new("/home/me/.cargo/bin/mcp-refreshd")).unwrap();
        assert!(text.contains("\nExecStart=/home/me/.cargo/bin/mcp-refreshd run\n"), "{text}");
        assert!(!text.contains("/usr/bin/mcp-refreshd"));
    }

    #[test]
    fn a_path_comes_back_from_the_unit_as_it_was() {
        for path in ["/usr/bin/mcp-refreshd", "/a b/ü/m", "/100%/m", "/50%n/m", "/d$HOME/m", "/a;b/m"] {
            let text = main(Path::new(path)).unwrap();
            assert_eq!(program_of(&text), Some(path.into()), "{text}");
            let text = program_drop_in(Path::new(path)).unwrap();
            assert_eq!(program_of(&text), Some(path.into()), "{text}");
        }
        assert_eq!(program_of("[Service]\nExecStart=-/bin/x --flag run\n"), Some("/bin/x".into()));
        assert_eq!(program_of("[Service]\n"), None);
        // Only the manager can resolve a specifier.
        assert_eq!(program_of("ExecStart=%h/bin/x run"), None);
    }

    #[test]
    fn paths_that_systemd_cannot_start_are_refused_with_the_reason() {
        for path in ["/it's/m", "/a\"b/m", "/a\\b/m", "/a\nExecStart=evil/m"] {
            let refused = main(Path::new(path)).unwrap_err().to_string();
            assert!(refused.contains("systemd"), "{refused}");
            assert!(!refused.contains('\n'), "{refused}");
        }
    }

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        let text = variables(&[("XDG_STATE_HOME".into(), "/a \"b\\ %h".into())]).unwrap().unwrap();
        assert_eq!(text, "[Service]\nEnvironment=\"XDG_STATE_HOME=/a \\\"b\\\\ %%h\"\n");
        assert!(variables(&[("A".into(), "x\ny".into())]).is_err());
        assert_eq!(variables(&[]).unwrap(), None);
    }
}
