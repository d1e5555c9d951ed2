//! How times, names and commands are shown to the user.

use super::characters::misleads;
pub(crate) use super::shell::quoted;
use refresh_engine::Outcome;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// A duration in one or two units, rounded to the smaller one: "43 min", "2 h 5 min", "3 d 4 h".
pub(crate) fn length(time: Duration) -> String {
    let exact = time.as_secs().saturating_add(u64::from(time.subsec_millis() >= 500));
    let to = |unit: u64| exact.saturating_add(unit / 2) / unit * unit;
    // Rounding may carry into the next unit: 59 min 50 s is "1 h".
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

/// The text with everything escaped that could move the cursor, forge a second line or reverse the writing direction: names and
/// texts from servers are untrusted.
pub(crate) fn visible(text: &str) -> String {
    if is_printable_ascii(text) {
        return text.to_owned();
    }
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

/// Whether every character is a letter, digit, sign or space of ASCII: each takes a column, and none needs an escape.
pub(crate) fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A value as JSON that is safe on a terminal: what [`visible`] escapes is escaped here as JSON does.
///
/// # Errors
/// The value cannot be represented as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let plain = serde_json::to_string_pretty(value)?;
    let mut text = String::with_capacity(plain.len() + 1);
    for character in plain.chars() {
        match character {
            // Layout; inside a string it is already escaped.
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

/// "1 entry", "2 entries".
pub(crate) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// How a refresh ended, in the user's words.
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
    fn durations_are_rounded_to_familiar_units() {
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
    fn escape_sequences_in_names_are_shown_as_text() {
        assert_eq!(visible("a\u{1b}[31mb\nc\u{202e}d"), r"a\u{1b}[31mb\nc\u{202e}d");
    }

    proptest! {
        #[test]
        fn nothing_shown_controls_a_terminal(text: String) {
            prop_assert!(!visible(&text).chars().any(misleads));
            let written = json(&[&text]).unwrap();
            prop_assert!(!written.chars().any(|c| c != '\n' && misleads(c)));
            prop_assert_eq!(serde_json::from_str::<[String; 1]>(&written).unwrap(), [text]);
        }
    }
}
