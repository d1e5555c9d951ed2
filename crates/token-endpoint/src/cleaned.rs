/// The maximum length of a displayed server text, in characters.
const LONGEST: usize = 200;

/// A run of this length without a space is masked as a possible token: words are shorter, and tokens worth protecting are longer.
const TOKEN_LIKE: usize = 20;

/// Sanitizes a server's text for terminals, logs and `status`: one line of at most 200 characters, without control or bidirectional
/// characters, with possible tokens masked.
///
/// A server may echo the refresh token in its message, and the interpreter does not know the token. So every run of 20 or more
/// printable ASCII characters without a space (the characters of a token: RFC 6749, appendix A) becomes `…`.
pub(crate) fn cleaned(text: &str) -> String {
    let mut shown = String::new();
    let mut run = String::new();
    for c in visible(text).chain([' ']) {
        if c.is_ascii_graphic() {
            // Keep a run only while it may still be a word.
            if run.len() <= TOKEN_LIKE {
                run.push(c);
            }
            continue;
        }
        shown.push_str(if run.len() >= TOKEN_LIKE { "…" } else { &run });
        run.clear();
        if c != ' ' || !(shown.is_empty() || shown.ends_with(' ')) {
            shown.push(c);
        }
    }
    bounded(shown.trim_end())
}

/// Sanitizes a text that cannot contain a token (a TLS or network error, a URL): one line of at most 200 characters.
pub(crate) fn harmless(text: &str) -> String {
    bounded(visible(text).collect::<String>().trim())
}

fn visible(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !is_harmful(*c))
}

fn bounded(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(LONGEST - 1).collect();
    cut.push('…');
    cut
}

/// Control characters, and invisible ones that hide or reorder the text around them.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_stays_as_it_is() {
        assert_eq!(cleaned("refresh_token is invalid"), "refresh_token is invalid");
        assert_eq!(cleaned("AADSTS9010010: The resource parameter"), "AADSTS9010010: The resource parameter");
        assert_eq!(
            cleaned("Токен обновления недействителен, войдите снова"),
            "Токен обновления недействителен, войдите снова"
        );
    }

    #[test]
    fn what_looks_like_a_token_is_masked() {
        assert_eq!(cleaned("token rt_0123456789abcdefghij is spent"), "token … is spent");
        assert_eq!(cleaned("\"rt_0123456789abcdefghij\""), "…");
        assert_eq!(cleaned("“rt_0123456789abcdefghij”"), "“…”");
    }

    #[test]
    fn a_token_broken_by_control_characters_is_masked_as_a_whole() {
        assert_eq!(cleaned("rt_01234\u{0}56789\u{200b}abcdefghij"), "…");
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        assert_eq!(cleaned("a\x1b[31mb\r\nc\td\u{202e}e\u{9b}"), "a[31mb c de");
        assert_eq!(cleaned(" \n "), "");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let shown = cleaned(&"ä".repeat(500));
        assert_eq!(shown.chars().count(), 200);
        assert!(shown.ends_with('…'));
    }
}
