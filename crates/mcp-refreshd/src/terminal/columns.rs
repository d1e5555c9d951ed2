//! Text measured in terminal columns: a character takes two (East Asian), one, or none (combining accents).

use crate::terminal::wording::{is_printable_ascii, visible};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Variation selector 16: shows the preceding character as an emoji, two columns wide.
const AS_PICTURE: char = '\u{fe0f}';

/// How many columns the text takes.
pub(crate) fn width(text: &str) -> usize {
    // Nearly all text is.
    if is_printable_ascii(text) { text.len() } else { text.width() }
}

/// The text padded with spaces to this many columns.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// The text made safe to show and truncated to this many columns, with an ellipsis where something was cut.
pub(crate) fn shortened(text: &str, columns: usize) -> String {
    let shown = visible(text);
    if width(&shown) <= columns {
        return shown;
    }
    format!("{}…", beginning(&shown, columns.saturating_sub(1)))
}

/// The text truncated to this many columns, without an ellipsis.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    beginning(text, columns).to_owned()
}

/// The longest prefix that is sure to fit.
pub(crate) fn beginning(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += if character == AS_PICTURE { 1 } else { character.width().unwrap_or(0) };
        if used > columns {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

/// The longest suffix that is sure to fit; it never starts with a combining accent.
pub(crate) fn ending(text: &str, columns: usize) -> &str {
    let (mut used, mut start) = (0, text.len());
    for (at, character) in text.char_indices().rev() {
        let wide = character.width().unwrap_or(0);
        used += if character == AS_PICTURE { 1 } else { wide };
        if used > columns {
            break;
        }
        if wide > 0 {
            start = at;
        }
    }
    text.get(start..).unwrap_or_default()
}

/// The text in lines of at most this many columns, broken between words where possible.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    flowed(text, columns).iter().flat_map(|line| folded(line, columns)).collect()
}

/// The text in lines of about this many columns, broken only between words, so that paths and commands can be copied.
pub(crate) fn flowed(text: &str, columns: usize) -> Vec<String> {
    let (mut lines, mut used) = (Vec::<String>::new(), 0);
    for word in text.split_whitespace() {
        let wide = width(word);
        match lines.last_mut() {
            Some(line) if used + 1 + wide <= columns => {
                line.push(' ');
                line.push_str(word);
                used += 1 + wide;
            }
            _ => {
                lines.push(word.to_owned());
                used = wide;
            }
        }
    }
    lines
}

/// One line split into pieces of at most this many columns, anywhere.
pub(crate) fn folded(line: &str, columns: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while width(rest) > columns {
        let piece = beginning(rest, columns);
        // A piece holds at least one character, even if that is too wide.
        let end = if piece.is_empty() { rest.chars().next().map_or(0, char::len_utf8) } else { piece.len() };
        let (piece, others) = rest.split_at(end);
        if others.is_empty() {
            break;
        }
        pieces.push(piece.to_owned());
        rest = others;
    }
    pieces.push(rest.to_owned());
    pieces
}

/// The text with every line that is wider than this split anywhere; `None` means that the output is not a terminal.
pub(crate) fn fitted(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    text.split('\n').flat_map(|line| folded(line, columns)).collect::<Vec<_>>().join("\n")
}

/// A label with its text beside it, aligned over several lines; below it if there is no room for that. `None` means that the output is
/// not a terminal, so nothing is wrapped. Words are never broken.
pub(crate) fn labelled(label: &str, text: &str, columns: Option<usize>) -> String {
    /// A narrower column of text is hard to read.
    const LEAST: usize = 24;
    let Some(columns) = columns else { return format!("{label}{text}\n") };
    let indent = width(label);
    if width(text) + indent <= columns {
        return format!("{label}{text}\n");
    }
    let longest = text.split_whitespace().map(width).max().unwrap_or(0);
    let beside = columns >= indent + LEAST && columns >= indent + longest;
    let margin = match beside {
        true => indent,
        false if columns >= 2 + longest => 2,
        false => 0,
    };
    let lines = flowed(text, columns.saturating_sub(margin).max(1));
    let begin = match label.trim_end() {
        _ if beside => label.to_owned(),
        // Continues the row above.
        "" => " ".repeat(margin),
        label => format!("{label}\n{}", " ".repeat(margin)),
    };
    format!("{begin}{}\n", lines.join(&format!("\n{}", " ".repeat(margin))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_cut_by_columns_not_by_characters() {
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(shortened("abcd", 4), "abcd");
        assert_eq!((width("開発サーバー"), shortened("開発サーバー", 12)), (12, "開発サーバー".to_owned()));
        // Half a wide character cannot be shown.
        assert_eq!(shortened("開発サーバー", 8), "開発サ…");
        assert_eq!(shortened("開発", 3), "開…");
        assert_eq!(shortened("e\u{301}e\u{301}e\u{301}", 3), "e\u{301}e\u{301}e\u{301}");
        assert_eq!(cut("開発", 3), "開");
        assert_eq!((ending("開発サ", 3), ending("abc", 2), ending("abc", 9)), ("サ", "bc", "abc"));
        assert_eq!(ending("ae\u{301}b", 2), "e\u{301}b");
        assert_eq!(ending("e\u{301}b", 1), "b");
    }

    #[test]
    fn padding_counts_columns_not_characters() {
        for text in ["lab", "開発", "e\u{301}", "naïve", "☺\u{fe0f}"] {
            assert_eq!(width(&padded(text, 8)), 8, "{text}");
        }
        assert_eq!(padded("開発", 2), "開発");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("the login has ended", 10), ["the login", "has ended"]);
        assert_eq!(wrapped("a pneumonia b", 4), ["a", "pneu", "moni", "a", "b"]);
        assert!(wrapped("", 4).is_empty());
        assert_eq!(flowed("rm /a/long/path now", 6), ["rm", "/a/long/path", "now"]);
        assert_eq!(wrapped("開発サ", 4), ["開発", "サ"]);
    }

    #[test]
    fn text_is_set_beside_its_label_if_there_is_room() {
        assert_eq!(labelled("why    ", "it is so", None), "why    it is so\n");
        assert_eq!(
            labelled("why    ", "a b c d e f g h i j k l m n", Some(31)),
            "why    a b c d e f g h i j k l\n       m n\n"
        );
        assert_eq!(labelled("why    ", "it is so and so", Some(12)), "why\n  it is so\n  and so\n");
        assert_eq!(labelled("       ", "it is so and so", Some(12)), "  it is so\n  and so\n");
        // A long word goes below its label before it goes out of the terminal.
        let word = "abcdefghijklmnopqrstuvwxyz0123";
        assert_eq!(labelled("why    ", &format!("in {word}"), Some(32)), format!("why\n  in\n  {word}\n"));
        assert_eq!(labelled("why    ", word, Some(30)), format!("why\n{word}\n"));
        assert_eq!(fitted("abc\ndefgh\n", Some(3)), "abc\ndef\ngh\n");
        assert_eq!(fitted("abc\n", None), "abc\n");
    }

    proptest! {
        #[test]
        fn nothing_exceeds_its_width(text: String, columns in 2_usize..40) {
            prop_assert!(width(&shortened(&text, columns)) <= columns);
            prop_assert!(width(&cut(&text, columns)) <= columns);
            prop_assert!(width(ending(&text, columns)) <= columns && text.ends_with(ending(&text, columns)));
            let shown = visible(&text);
            prop_assert!(wrapped(&shown, columns).iter().all(|line| width(line) <= columns));
            let whole: String = folded(&shown, columns).concat();
            prop_assert_eq!(whole, shown);
        }

        #[test]
        fn a_flowed_line_exceeds_its_width_only_for_a_long_word(text: String, columns in 1_usize..80) {
            let text = visible(&text);
            let longest = text.split_whitespace().map(width).max().unwrap_or(0);
            for line in flowed(&text, columns) {
                prop_assert!(width(&line) <= columns.max(longest));
            }
        }
    }
}
