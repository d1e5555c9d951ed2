use oauth_secret::SecretBytes;

/// What the tool reports about an item without showing its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemAttributes {
    /// `svce`.
    pub service: Option<String>,
    /// `acct`.
    pub account: Option<String>,
    /// `mdat`, the modification date (UTC), as a number made of its fourteen digits.
    pub modified: Option<u64>,
}

impl ItemAttributes {
    /// Parses the output of `find-generic-password` without `-w`, or one item of `dump-keychain`.
    #[must_use]
    pub fn parse(printed: &str) -> Self {
        let mut attributes = Self::default();
        for line in printed.lines() {
            let Some((name, value)) = line.trim_start().split_once('=') else { continue };
            match name {
                r#""svce"<blob>"# => attributes.service = text(value),
                r#""acct"<blob>"# => attributes.account = text(value),
                r#""mdat"<timedate>"# => attributes.modified = moment(value),
                _ => {}
            }
        }
        attributes
    }

    /// All generic passwords in the output of `dump-keychain`, which contains no secrets.
    #[must_use]
    pub(super) fn parse_all(printed: &str) -> Vec<Self> {
        let items = printed.split("keychain: \"").filter(|item| item.contains("\nclass: \"genp\""));
        items.map(Self::parse).collect()
    }
}

/// The item's Keychain, if its path can be passed to the tool.
pub(super) fn keychain(printed: &str) -> Option<&str> {
    let path = printed.strip_prefix("keychain: \"")?.split_once("\"\n")?.0;
    (path.starts_with('/') && !path.contains(['"', '\\'])).then_some(path)
}

/// `"text"`, or `0x746578740A  "text\012"` if it contains anything but printable ASCII, or `<NULL>`.
fn text(value: &str) -> Option<String> {
    if let Some(quoted) = value.strip_prefix('"') {
        return Some(quoted.strip_suffix('"').unwrap_or(quoted).to_owned());
    }
    let hex = value.strip_prefix("0x")?.split_ascii_whitespace().next()?;
    Some(String::from_utf8_lossy(&unhex(hex.as_bytes())?).into_owned())
}

/// `0x32303236313132333031323430345A00  "20261123012404Z\000"`.
fn moment(value: &str) -> Option<u64> {
    let told = text(value)?;
    let digits = told.get(..14).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

/// The password in the output of `-w`: verbatim plus a line break, or in hex digits if it contains anything but printable ASCII. A
/// document starts with a brace, so the two cannot be confused.
pub(super) fn password(printed: &[u8]) -> SecretBytes {
    let printed = printed.strip_suffix(b"\n").unwrap_or(printed);
    if printed.first() != Some(&b'{')
        && let Some(decoded) = unhex(printed).map(SecretBytes::from)
        && decoded.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
    {
        return decoded;
    }
    SecretBytes::from(printed)
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let value = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8; 2]| u8::try_from((value(pair[0])? << 4) | value(pair[1])?).ok();
    (rest.is_empty() && !pairs.is_empty()).then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "keychain: \"/Users/me/Library/Keychains/login.keychain-db\"\nversion: 512\nclass: \"genp\"\nattributes:\n    \
        0x00000007 <blob>=\"Claude Code-credentials\"\n    0x00000008 <blob>=<NULL>\n    \"acct\"<blob>=\"me\"\n    \
        \"cdat\"<timedate>=0x32303236313030313038303030305A00  \"20261001080000Z\\000\"\n    \"crtr\"<uint32>=<NULL>\n    \
        \"mdat\"<timedate>=0x32303236313132333031323430345A00  \"20261123012404Z\\000\"\n    \
        \"svce\"<blob>=\"Claude Code-credentials\"\n    \"type\"<uint32>=<NULL>\n";

    #[test]
    fn names_and_modification_date_are_found_among_the_attributes() {
        let attributes = ItemAttributes::parse(PRINTED);
        assert_eq!(attributes.service.as_deref(), Some("Claude Code-credentials"));
        assert_eq!(attributes.account.as_deref(), Some("me"));
        assert_eq!(attributes.modified, Some(20_261_123_012_404));
        assert_eq!(keychain(PRINTED), Some("/Users/me/Library/Keychains/login.keychain-db"));
        assert_eq!(keychain("keychain: <NULL>\n"), None);
    }

    #[test]
    fn names_that_are_not_ascii_come_in_hex() {
        let printed = "    \"acct\"<blob>=0x6AC3B6  \"j\\303\\266\"\n";
        assert_eq!(ItemAttributes::parse(printed).account.as_deref(), Some("jö"));
    }

    #[test]
    fn nonsense_has_no_attributes() {
        for printed in [
            "",
            "security: SecKeychainSearchCopyNext",
            "\"mdat\"<timedate>=<NULL>",
            "\"mdat\"<timedate>=0x3",
            "=",
        ] {
            assert_eq!(ItemAttributes::parse(printed), ItemAttributes::default(), "{printed}");
        }
    }

    #[test]
    fn a_dump_gives_every_generic_password() {
        let other = PRINTED.replace("\"svce\"<blob>=\"Claude Code-credentials\"", "\"svce\"<blob>=\"Mail\"");
        let certificate = "keychain: \"x\"\nversion: 512\nclass: 0x80001000 \nattributes:\n";
        let all = ItemAttributes::parse_all(&format!("{PRINTED}{certificate}{other}"));
        let services: Vec<_> = all.iter().filter_map(|item| item.service.as_deref()).collect();
        assert_eq!(services, ["Claude Code-credentials", "Mail"]);
    }

    #[test]
    fn a_password_is_the_document_with_or_without_hex() {
        assert_eq!(&password(b"{\"a\":1}\n")[..], b"{\"a\":1}");
        assert_eq!(&password(b"7b22c3a4223a317d0a\n")[..], "{\"ä\":1}\n".as_bytes());
        // Not a document in hex: returned unchanged, to be reported.
        for odd in ["", "cafe", "7b2", "}", "{7b7d"] {
            assert_eq!(&password(format!("{odd}\n").as_bytes())[..], odd.as_bytes());
        }
        // Only one line break comes from the tool.
        assert_eq!(&password(b"{}\n\n")[..], b"{}\n");
    }
}
