use strsim::levenshtein;

/// The one of `known` that somebody who typed `typed` most likely meant; `None` where nothing is near.
pub(crate) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = typed.chars().count().max(3) / 3 + 1;
    let typed = typed.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (levenshtein(&typed, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let known = ["keep_alive", "margin", "stores"];
        assert_eq!(nearest("keepalive", known), Some("keep_alive"));
        assert_eq!(nearest("Margins", known), Some("margin"));
        assert_eq!(nearest("zzzzzzzzz", known), None);
    }
}
