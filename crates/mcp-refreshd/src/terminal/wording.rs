//! Times, names and commands as the user reads them.

use refresh_engine::Outcome;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// A length of time in one or two units, rounded to the smaller one: "43 min", "2 h 5 min", "3 d 4 h".
pub(crate) fn length(time: Duration) -> String {
    let exact = time.as_secs().saturating_add(u64::from(time.subsec_millis() >= 500));
    let to = |unit: u64| exact.saturating_add(unit / 2) / unit * unit;
    // Where rounding reaches the next unit, that one is shown: 59 min 50 s are "1 h".
    let seconds = match exact {
        0..600 => exact,
        600..86400 => to(60),
        _ => to(3600),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let pair = |big: u64, big_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {big_unit}"),
        _ => format!("{big} {big_unit} {small} {small_unit}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, 1..10) => pair(minutes, "min", seconds % 60, "s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => pair(hours, "h", minutes % 60, "min"),
        (1..100, ..) => pair(days, "d", hours % 24, "h"),
        _ => format!("{days} d"),
    }
}

/// The text with escapes for everything that could move a terminal's cursor, forge a second line, or turn the writing direction: server
/// names and servers' texts come from elsewhere.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            control if control.is_control() => shown.extend(control.escape_default()),
            hidden if misleads(hidden) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(hidden));
            }
            other => shown.push(other),
        }
    }
    shown
}

/// A value as JSON, harmless on a terminal, too: what [`visible`] escapes is escaped here in JSON's way.
///
/// # Errors
/// Where the value cannot be written as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let plain = serde_json::to_string_pretty(value)?;
    let mut text = String::with_capacity(plain.len() + 1);
    for character in plain.chars() {
        match character {
            // The layout; inside of a string it is escaped already.
            '\n' => text.push('\n'),
            hidden if misleads(hidden) => {
                let _ = write!(text, "\\u{:04x}", u32::from(hidden));
            }
            other => text.push(other),
        }
    }
    text.push('\n');
    Ok(text)
}

/// Whether a character acts instead of being seen: controls, and the invisible ones that hide or turn what is beside them.
fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// One word of a command line as a POSIX shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.chars().any(misleads) {
        // `$'…'` is the one form that shows such a character instead of being one.
        let mut text = String::from("$'");
        for character in word.chars() {
            match character {
                '\'' | '\\' => text.extend(['\\', character]),
                hidden if misleads(hidden) => {
                    for byte in hidden.to_string().bytes() {
                        let _ = write!(text, "\\x{byte:02x}");
                    }
                }
                other => text.push(other),
            }
        }
        text.push('\'');
        return text;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// "1 entry", "2 entries".
pub(crate) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// How a refresh ended, as the user reads it.
pub(crate) fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fresh => "refreshed",
        Outcome::Dead => "login ended",
        Outcome::ClientDead => "registration gone",
        Outcome::Refused => "refused",
        Outcome::Transient => "failed for now",
        Outcome::Unsent => "not reached",
        Outcome::Ambiguous => "no clear answer",
        Outcome::Adopted => "refreshed by Claude Code",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_in_the_units_people_use_and_rounded() {
        let told = |seconds| length(Duration::from_secs(seconds));
        assert_eq!(told(0), "0 s");
        assert_eq!(told(59), "59 s");
        assert_eq!(told(90), "1 min 30 s");
        assert_eq!(told(43 * 60 + 20), "43 min");
        assert_eq!(told(59 * 60 + 29), "59 min");
        assert_eq!(told(59 * 60 + 57), "1 h");
        assert_eq!(told(5 * 3600 - 5), "5 h");
        assert_eq!(told(86400 - 10), "1 d");
        assert_eq!(length(Duration::from_millis(59_600)), "1 min");
        assert_eq!(length(Duration::MAX), format!("{} d", u64::MAX / 86400));
        assert_eq!(told(2 * 3600 + 5 * 60), "2 h 5 min");
        assert_eq!(told(3 * 86400), "3 d");
        assert_eq!(told(400 * 86400 + 3600), "400 d");
    }

    #[test]
    fn a_name_is_quoted_only_where_the_shell_needs_it() {
        assert_eq!(quoted("plugin:slack:slack"), "plugin:slack:slack");
        assert_eq!(quoted("my server"), "'my server'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("$(reboot)"), "'$(reboot)'");
        assert_eq!(quoted("a\u{1b}[2J'"), r"$'a\x1b[2J\''");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn an_escape_sequence_in_a_name_stays_a_text() {
        assert_eq!(visible("a\u{1b}[31mb\nc\u{202e}d"), r"a\u{1b}[31mb\nc\u{202e}d");
    }

    proptest! {
        #[test]
        fn nothing_shown_controls_a_terminal(text: String) {
            prop_assert!(!visible(&text).chars().any(misleads));
            prop_assert!(!quoted(&text).chars().any(misleads));
            let written = json(&[&text]).unwrap();
            prop_assert!(!written.chars().any(|c| c != '\n' && misleads(c)));
            prop_assert_eq!(serde_json::from_str::<[String; 1]>(&written).unwrap(), [text]);
        }
    }
}
