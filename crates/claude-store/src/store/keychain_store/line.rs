use super::KeychainError;
use crate::{KeychainItem, platform};
use oauth_secret::SecretBytes;
use zeroize::Zeroizing;

/// The longest line, including its line break, that the tool's `-i` accepts: its buffer has 4096 bytes, one of them for the NUL. Longer
/// lines are cut, which corrupts the item, and the rest is run as another command (reported).
const LONGEST_LINE: usize = 4095;

/// The same for a document that the client has split: it stops at this length, line break included (read in 2.1.332).
const LONGEST_LINE_OF_SPLIT: usize = 4032;

/// Room for longer tokens, checked before the request, when nobody knows the response yet. A pair that needs more waits in the
/// journal.
const GROWTH: usize = 512;

/// Whether to pass a document that is too large for a line as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LargeItems {
    /// Like the client: for some 20 ms the user's other processes can see it, and security software may log it.
    #[default]
    Argument,
    /// Never: such a document is not written, so its tokens are not refreshed.
    Refuse,
}

/// How to pass a document of this size to the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As a line on standard input, invisible to other processes.
    Line,
    /// As an argument.
    Argument,
}

/// The form for a document of `size` bytes.
pub(super) fn form(item: &KeychainItem, size: usize, large: LargeItems) -> Result<Form, KeychainError> {
    let start = start_of_line(item)?.len();
    let most_in_line = LONGEST_LINE.saturating_sub(start + 1) / 2;
    if size <= most_in_line {
        return Ok(Form::Line);
    }
    let as_argument = large == LargeItems::Argument;
    let most = if as_argument { platform::LONGEST_ARGUMENT / 2 } else { most_in_line };
    if as_argument && size <= most {
        return Ok(Form::Argument);
    }
    Err(KeychainError::TooLarge { item: item.to_string(), size, most, as_argument })
}

/// Whether a document of `size` bytes can be rewritten with new tokens.
pub(super) fn will_fit(item: &KeychainItem, size: usize, large: LargeItems) -> Result<(), KeychainError> {
    form(item, size + GROWTH, large).map(drop)
}

/// Whether the main item of a split document fits into a line.
pub(super) fn fits_split(item: &KeychainItem, size: usize) -> Result<bool, KeychainError> {
    Ok(start_of_line(item)?.len() + 2 * size < LONGEST_LINE_OF_SPLIT)
}

/// Whether a split document can be rewritten: `least` is what must stay in the main item, `most` is the largest possible size of the
/// other.
pub(super) fn will_fit_split(item: &KeychainItem, least: usize, most: usize) -> Result<(), KeychainError> {
    let longest = platform::LONGEST_ARGUMENT;
    if fits_split(item, least)? && most + 2 * GROWTH <= longest {
        return Ok(());
    }
    Err(KeychainError::TooLarge { item: item.to_string(), size: most, most: longest, as_argument: true })
}

/// The arguments for writing the overflow item. Like the client, we pass it as an argument, since it is encrypted.
pub(super) fn arguments_sealed(item: &KeychainItem, sealed: &str, keychain: Option<&str>) -> Vec<String> {
    let plain = ["add-generic-password", "-U", "-a", item.account(), "-s", item.service(), "-w", sealed];
    plain.into_iter().chain(keychain).map(str::to_owned).collect()
}

/// The whole line for the tool's `-i`.
pub(super) fn line(item: &KeychainItem, document: &[u8]) -> Result<SecretBytes, KeychainError> {
    let start = start_of_line(item)?;
    let mut line = SecretBytes::with_capacity(start.len() + 2 * document.len() + 1);
    line.extend(start.as_bytes());
    line.extend(hex(document).as_bytes());
    line.push(b'\n');
    Ok(line)
}

/// The arguments if the document is one of them.
pub(super) fn arguments(item: &KeychainItem, document: &[u8]) -> Zeroizing<Vec<String>> {
    let plain = ["add-generic-password", "-U", "-a", item.account(), "-s", item.service(), "-X"];
    let mut arguments: Vec<String> = plain.into_iter().map(str::to_owned).collect();
    arguments.push(std::mem::take(&mut *hex(document)));
    Zeroizing::new(arguments)
}

/// `-U` updates in place, which preserves the item's access list.
fn start_of_line(item: &KeychainItem) -> Result<String, KeychainError> {
    let quoted = |name| quoted(name).ok_or_else(|| KeychainError::Unspeakable { item: item.to_string() });
    Ok(format!("add-generic-password -U -a {} -s {} -X ", quoted(item.account())?, quoted(item.service())?))
}

/// Quotes a word for the tool's `-i`: in double quotes, with backslash escapes.
fn quoted(word: &str) -> Option<String> {
    if word.chars().any(|c| matches!(c, '\n' | '\r' | '\0')) {
        return None;
    }
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('"');
    for character in word.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    Some(quoted)
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    let mut hex = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            hex.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> KeychainItem {
        KeychainItem::named("Claude Code-credentials", "me")
    }

    #[test]
    fn the_line_is_what_the_client_sends() {
        assert_eq!(
            &line(&item(), b"{}").unwrap()[..],
            b"add-generic-password -U -a \"me\" -s \"Claude Code-credentials\" -X 7b7d\n"
        );
    }

    #[test]
    fn the_limit_is_that_of_the_whole_line_to_the_byte() {
        for account in ["me", "a\"b\\c", "jö", &"x".repeat(300)] {
            let item = KeychainItem::named("Claude Code-credentials", account);
            let fits = |size| form(&item, size, LargeItems::Refuse);
            let most = (0..4096).take_while(|size| fits(*size).is_ok()).last().unwrap();
            let longest = line(&item, &vec![b'x'; most]).unwrap().len();
            assert!(longest == LONGEST_LINE || longest == LONGEST_LINE - 1, "{account}: {longest}");
            let error = fits(most + 1).unwrap_err();
            assert!(matches!(error, KeychainError::TooLarge { most: told, .. } if told == most), "{error}");
            assert_eq!(form(&item, most + 1, LargeItems::Argument), Ok(Form::Argument));
        }
    }

    #[test]
    fn a_document_too_large_for_an_argument_is_always_refused() {
        let most = platform::LONGEST_ARGUMENT / 2;
        assert_eq!(form(&item(), most, LargeItems::Argument), Ok(Form::Argument));
        let error = form(&item(), most + 1, LargeItems::Argument).unwrap_err();
        assert!(error.to_string().contains("remove logins"), "{error}");
    }

    #[test]
    fn room_for_longer_tokens_is_checked_before_the_request() {
        let most =
            (0..4096).take_while(|size| form(&item(), *size, LargeItems::Refuse).is_ok()).last().unwrap();
        assert!(will_fit(&item(), most - GROWTH, LargeItems::Refuse).is_ok());
        let error = will_fit(&item(), most, LargeItems::Refuse).unwrap_err();
        assert!(error.to_string().contains("keychain_large_items"), "{error}");
    }

    #[test]
    fn names_that_would_end_the_line_are_refused() {
        for name in ["a\nb", "a\rb", "a\0b"] {
            assert!(matches!(
                line(&KeychainItem::named("s", name), b"{}"),
                Err(KeychainError::Unspeakable { .. })
            ));
        }
        assert_eq!(quoted("a \"b\" \\ $HOME 'c'").unwrap(), r#""a \"b\" \\ $HOME 'c'""#);
    }
}
