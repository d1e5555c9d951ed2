/// The one of `known` that somebody who typed `typed` most likely meant; `None` where nothing is near.
pub(crate) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = typed.chars().count().max(3) / 3 + 1;
    known
        .into_iter()
        .map(|candidate| (distance(typed, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters have to be changed, added or taken out (Levenshtein), whatever their case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, l) in left.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (cell, r) in row.iter_mut().skip(1).zip(&right) {
            let changed = diagonal + usize::from(l != *r);
            diagonal = *cell;
            before = changed.min(before + 1).min(diagonal + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (left, right, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ab", "BA", 2),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let known = ["keep_alive", "margin", "stores"];
        assert_eq!(nearest("keepalive", known), Some("keep_alive"));
        assert_eq!(nearest("Margins", known), Some("margin"));
        assert_eq!(nearest("zzzzzzzzz", known), None);
    }
}
