//! Commands as the user types them, in the shell of this system.

use super::characters::misleads;
use crate::platform::SHELL;
use crate::platform::shell::Shell;
use claude_store::CLEAR_FLAGS;
use std::fmt::Write as _;

/// One word of a command line, quoted for this system's shell.
pub(crate) fn quoted(word: &str) -> String {
    quoted_for(SHELL, word)
}

fn quoted_for(shell: Shell, word: &str) -> String {
    let special = match shell {
        Shell::Posix => "_-./:@%+=,",
        // A comma makes a list, and @ splats.
        Shell::PowerShell => "_-./:%+=\\",
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || special.contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    match (shell, word.chars().any(misleads)) {
        (Shell::Posix, false) => format!("'{}'", word.replace('\'', r"'\''")),
        (Shell::Posix, true) => ansi_c(word),
        (Shell::PowerShell, false) => {
            // Typographic quotes count as well (about_Quoting_Rules).
            let twice = |c: char| if is_single_quote(c) { vec![c, c] } else { vec![c] };
            format!("'{}'", word.chars().flat_map(twice).collect::<String>())
        }
        (Shell::PowerShell, true) => expandable(word),
    }
}

fn is_single_quote(character: char) -> bool {
    matches!(character, '\'' | '\u{2018}'..='\u{201b}')
}

/// Only `$'…'` can spell a misleading character in escapes.
fn ansi_c(word: &str) -> String {
    let mut text = String::from("$'");
    for character in word.chars() {
        match character {
            '\'' | '\\' => text.extend(['\\', character]),
            hidden if misleads(hidden) => {
                for byte in hidden.to_string().bytes() {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "\\x{byte:02x}");
                }
            }
            other => text.push(other),
        }
    }
    text.push('\'');
    text
}

/// PowerShell before 6 has no escape for a character; an expression has one.
fn expandable(word: &str) -> String {
    let mut text = String::from("\"");
    for character in word.chars() {
        match character {
            '`' | '$' | '"' | '\u{201c}'..='\u{201e}' => text.extend(['`', character]),
            hidden if misleads(hidden) => {
                let _ = write!(text, "$([char]0x{:x})", u32::from(hidden));
            }
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

/// What goes before a command so that it runs with these variables; `None` removes one.
pub(crate) fn with_variables(variables: &[(&str, Option<String>)]) -> String {
    with_variables_for(SHELL, variables)
}

fn with_variables_for(shell: Shell, variables: &[(&str, Option<String>)]) -> String {
    let unset = variables.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name);
    let set = variables.iter().filter_map(|(name, value)| Some((name, quoted_for(shell, value.as_ref()?))));
    match shell {
        Shell::Posix => {
            let unset: String = unset.map(|name| format!(" -u {name}")).collect();
            let unset = if unset.is_empty() { unset } else { format!("env{unset} ") };
            set.fold(unset, |text, (name, value)| text + &format!("{name}={value} "))
        }
        // There they hold for the rest of the session.
        Shell::PowerShell => {
            let unset: String = unset.map(|name| format!("$env:{name}=$null; ")).collect();
            set.fold(unset, |text, (name, value)| {
                let value = if value.starts_with(['\'', '"']) { value } else { format!("'{value}'") };
                text + &format!("$env:{name}={value}; ")
            })
        }
    }
}

/// Has the user be allowed to write into a folder again.
pub(crate) fn allow_writing(folder: &str) -> String {
    match SHELL {
        Shell::Posix => format!("chmod u+rwx {}", quoted(folder)),
        // What the profile folder hands down.
        Shell::PowerShell => format!("icacls {} /reset", quoted(folder)),
    }
}

/// Removes the flag that keeps a file from being replaced.
pub(crate) fn clear_read_only(file: &str) -> String {
    format!("{CLEAR_FLAGS} {}", quoted(file))
}

/// Shows how much room the disks have, or the one with this folder.
pub(crate) fn show_space(folder: Option<&str>) -> String {
    match (SHELL, folder) {
        (Shell::Posix, Some(folder)) => format!("df -h {}", quoted(folder)),
        (Shell::Posix, None) => "df -h".to_owned(),
        (Shell::PowerShell, _) => "Get-PSDrive".to_owned(),
    }
}

/// One command, and another if it succeeds. Windows PowerShell 5.1 has no `&&`.
pub(crate) fn then(first: &str, second: &str) -> String {
    match SHELL {
        Shell::Posix => format!("{first} && {second}"),
        Shell::PowerShell => format!("{first}; {second}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POSIX: Shell = Shell::Posix;
    const POWERSHELL: Shell = Shell::PowerShell;

    #[test]
    fn names_are_quoted_only_if_the_shell_needs_it() {
        let posix = |word: &str| quoted_for(POSIX, word);
        assert_eq!(posix("plugin:slack:slack"), "plugin:slack:slack");
        assert_eq!(posix("my server"), "'my server'");
        assert_eq!(posix("it's"), r"'it'\''s'");
        assert_eq!(posix("$(reboot)"), "'$(reboot)'");
        assert_eq!(posix("a\u{1b}[2J'"), r"$'a\x1b[2J\''");
        assert_eq!(posix(""), "''");
    }

    #[test]
    fn names_are_quoted_for_powershell() {
        let powershell = |word: &str| quoted_for(POWERSHELL, word);
        assert_eq!(powershell("plugin:slack:slack"), "plugin:slack:slack");
        assert_eq!(powershell(r"C:\Users\me\.claude"), r"C:\Users\me\.claude");
        assert_eq!(powershell(r"C:\Users\Zoë Ö"), r"'C:\Users\Zoë Ö'");
        assert_eq!(powershell("it's \u{2019}so\u{2019}"), "'it''s \u{2019}\u{2019}so\u{2019}\u{2019}'");
        assert_eq!(powershell("a,b"), "'a,b'");
        assert_eq!(powershell("$(reboot) `& |"), "'$(reboot) `& |'");
        assert_eq!(powershell("a\u{1b}[2J$x`\"'"), "\"a$([char]0x1b)[2J`$x```\"'\"");
        assert_eq!(powershell(""), "''");
    }

    #[test]
    fn variables_go_before_the_command() {
        let variables = [("A", None), ("B", Some("x y".to_owned())), ("C", Some("/z".to_owned()))];
        assert_eq!(with_variables_for(POSIX, &variables), "env -u A B='x y' C=/z ");
        assert_eq!(with_variables_for(POWERSHELL, &variables), "$env:A=$null; $env:B='x y'; $env:C='/z'; ");
        assert_eq!((with_variables_for(POSIX, &[]), with_variables_for(POWERSHELL, &[])), Default::default());
    }

    proptest! {
        #[test]
        fn no_word_controls_a_terminal(text: String) {
            prop_assert!(!quoted_for(POSIX, &text).chars().any(misleads));
            prop_assert!(!quoted_for(POWERSHELL, &text).chars().any(misleads));
        }
    }
}
