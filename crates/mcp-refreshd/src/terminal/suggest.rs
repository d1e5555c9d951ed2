use crate::terminal::wording::visible;
use compact::Arrange as _;
use strsim::levenshtein;

/// More of them are no help.
const OFFERED: usize = 5;

/// Those of `known` that somebody who typed `typed` most likely meant, as offers: one or more that it is a part of, else the one that is nearest.
/// Empty if nothing is near. They are sorted, and each stands there once.
pub(crate) fn likely<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known: Vec<_> = known.into_iter().collect();
    known.arrange();
    known.dedup();
    let part = typed.to_lowercase();
    let mut whole: Vec<_> =
        known.iter().copied().filter(|name| name.to_lowercase().contains(&part)).collect();
    whole.truncate(if part.is_empty() { 0 } else { OFFERED });
    if whole.is_empty() { nearest(typed, known).into_iter().collect() } else { whole }
}

/// That no server has the name that was typed, and what the user may have meant.
pub(crate) fn no_server_is_called<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    unknown_name("no server is", "the store has no logins", typed, known)
}

/// The same of the servers that the history has.
pub(crate) fn no_recorded_server_is_called<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    unknown_name("the history has no server", "it is empty", typed, known)
}

fn unknown_name<'a>(
    none: &str,
    empty: &str,
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    let mut names: Vec<_> = known.into_iter().collect();
    names.arrange();
    names.dedup();
    let shown = visible(typed);
    let likely: Vec<_> = likely(typed, names.iter().copied()).into_iter().map(visible).collect();
    if !likely.is_empty() {
        return format!("{none} called {shown}; did you mean {}?", likely.join(" or "));
    }
    if names.is_empty() {
        return format!("{none} called {shown}; {empty}");
    }
    let listed: Vec<_> = names.iter().take(20).map(|name| visible(name)).collect();
    let more = if names.len() > 20 { ", …" } else { "" };
    format!("{none} called {shown}; known servers: {}{more}", listed.join(", "))
}

/// The one of `known` that somebody who typed `typed` most likely meant; `None` if nothing is near.
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

    #[test]
    fn a_part_of_names_offers_them_all_and_else_the_nearest_is_offered() {
        let known = ["notion", "plugin:slack:slack", "slack-eu", "notion"];
        assert_eq!(likely("not", known), ["notion"]);
        assert_eq!(likely("SLACK", known), ["plugin:slack:slack", "slack-eu"]);
        assert_eq!(likely("notoin", known), ["notion"]);
        assert!(likely("", known).is_empty() && likely("zzzzzzzzz", known).is_empty());
        let many: Vec<_> = (0..9).map(|number| format!("lab{number}")).collect();
        assert_eq!(likely("lab", many.iter().map(String::as_str)).len(), OFFERED);
    }
}
