//! Extracts the paths used in a source.

/// A source without its tests and comments.
pub(crate) fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every path in a source that begins with this word; groups like `a::{b, c}` are expanded.
pub(crate) fn beginning_with(word: &str, source: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices(&format!("{word}::")) {
        let before = source[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || "_:$".contains(c)) {
            branches(&source[at..], &mut Vec::new(), &mut found);
        }
    }
    found
}

/// The paths that a statement re-exports; none if it is not a re-export.
pub(crate) fn reexported(statement: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let tree = ["pub(crate) use ", "pub(super) use ", "pub use "]
        .iter()
        .find_map(|how| Some(statement.split_once(how)?.1));
    if let Some(tree) = tree {
        branches(tree, &mut Vec::new(), &mut found);
    }
    found
}

/// The paths of a `use` tree, or of an expression; also returns the rest.
fn branches<'a>(text: &'a str, above: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        while !rest.trim_start().starts_with('}') {
            rest = branches(rest, &mut above.clone(), found).trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        return rest.trim_start().strip_prefix('}').unwrap();
    }
    let (name, rest) = word(text);
    above.push(name.to_owned());
    match rest.strip_prefix("::") {
        Some(rest) if rest.starts_with(|c: char| c.is_alphabetic() || "_{".contains(c)) => {
            branches(rest, above, found)
        }
        _ => {
            found.push(above.clone());
            // An alias is not part of the path.
            rest.strip_prefix(" as ").map_or(rest, |rest| word(rest).1)
        }
    }
}

fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(word: &str, source: &str) -> Vec<String> {
        beginning_with(word, source).iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn a_group_is_taken_apart_and_another_name_is_no_path() {
        assert_eq!(
            of("crate", "use crate::{a::{self, B}, c::D as E, f};"),
            ["crate::a::self", "crate::a::B", "crate::c::D", "crate::f"]
        );
        assert_eq!(of("super", "let x = super::a::B::new(super::c);"), ["super::a::B::new", "super::c"]);
        assert!(of("plan", "other::plan::x(); myplan::y();").is_empty());
    }

    #[test]
    fn comments_and_tests_use_nothing() {
        let source = "// crate::a::b\nuse crate::c;\n#[cfg(test)]\nmod tests {\n    use crate::d;\n}\n";
        assert_eq!(of("crate", &code(source)), ["crate::c"]);
    }

    #[test]
    fn only_a_public_use_passes_on() {
        assert_eq!(reexported("\npub use a::{B, c}"), [["a", "B"], ["a", "c"]]);
        assert!(reexported("use a::B").is_empty());
    }
}
