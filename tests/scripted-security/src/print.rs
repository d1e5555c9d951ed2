//! How the tool prints items.

use crate::Item;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// An item's attributes, without its secret.
pub(crate) fn attributes(item: &Item, keychain: &str) -> String {
    let mut text = format!(
        "keychain: \"{keychain}\"\nversion: 512\nclass: \"genp\"\nattributes:\n    0x00000007 <blob>={}\n    0x00000008 <blob>=<NULL>\n",
        blob(&item.service)
    );
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "    \"acct\"<blob>={}\n    \"cdat\"<timedate>={}\n    \"crtr\"<uint32>=<NULL>\n    \"cusi\"<sint32>=<NULL>\n    \
         \"desc\"<blob>=<NULL>\n    \"gena\"<blob>=<NULL>\n    \"icmt\"<blob>=<NULL>\n    \"invi\"<sint32>=<NULL>\n    \
         \"mdat\"<timedate>={}\n    \"nega\"<sint32>=<NULL>\n    \"prot\"<blob>=<NULL>\n    \"scrp\"<sint32>=<NULL>\n    \
         \"svce\"<blob>={}\n    \"type\"<uint32>=<NULL>\n",
        blob(&item.account),
        date(item.created),
        date(item.modified),
        blob(&item.service),
    );
    text
}

/// The output of `-w`: the password verbatim, or in hex digits if it contains anything but printable ASCII.
pub(crate) fn password(password: &[u8]) -> Vec<u8> {
    let mut printed = if password.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        password.to_vec()
    } else {
        hex(password).into_bytes()
    };
    printed.push(b'\n');
    printed
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes hex digits for `-X`: an odd last digit and anything after an invalid one are dropped.
pub(crate) fn unhex(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let pair = |pair: &[u8; 2]| u8::try_from((value(pair[0])? << 4) | value(pair[1])?).ok();
    digits.as_chunks::<2>().0.iter().map_while(pair).collect()
}

fn blob(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return format!("\"{text}\"");
    }
    let octal: String = text
        .bytes()
        .map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("\\{byte:03o}") })
        .collect();
    format!("0x{}  \"{octal}\"", hex(text.as_bytes()).to_uppercase())
}

fn date(seconds: i64) -> String {
    let moment = Timestamp::from_second(seconds).unwrap_or_default().to_zoned(TimeZone::UTC);
    let digits = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        moment.year(),
        moment.month(),
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second()
    );
    format!("0x{}00  \"{digits}\\000\"", hex(digits.as_bytes()).to_uppercase())
}
