use std::time::Duration;

const UNITS: [(char, u64); 4] = [('d', 86400), ('h', 3600), ('m', 60), ('s', 1)];

/// Reads "7m", "2h", "1d", "90s" and sums of them ("1h30m").
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at(digits);
        let unit_name = unit.chars().next()?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit_name)?;
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = unit.strip_prefix(unit_name)?;
    }
    Some(Duration::from_secs(seconds))
}

/// The form that [`parse`] reads.
pub(super) fn written(time: Duration) -> String {
    let mut rest = time.as_secs();
    let mut text = String::new();
    for (name, factor) in UNITS {
        if rest >= factor {
            text.push_str(&format!("{}{name}", rest / factor));
            rest %= factor;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seconds_minutes_hours_and_days_are_accepted() {
        for (text, seconds) in
            [("7m", 420), ("2h", 7200), ("1d", 86400), ("90s", 90), ("1h30m", 5400), (" 5m ", 300)]
        {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "7",
            "m",
            "7 m",
            "-7m",
            "7.5m",
            "7min",
            "99999999999999999999d",
            "9999999999999999999d",
            "7ü",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn durations_survive_a_round_trip(seconds: u64) {
            let time = Duration::from_secs(seconds);
            prop_assert_eq!(parse(&written(time)), Some(time));
        }

        #[test]
        fn no_text_breaks_it(text: String) {
            parse(&text);
        }
    }
}
