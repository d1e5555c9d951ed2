use diffy::DiffOptions;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Identifies a stamp.
const MARK: &str = "`mcp-refreshd install` wrote this file; sha256 of the other lines: ";

/// Who wrote a file's current content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorship {
    /// This program, in this or another version.
    Ours,
    /// This program, but it was edited since.
    Edited,
    /// It has no stamp of ours.
    Foreign,
}

/// A line that identifies `other_lines` as ours by their checksum. The caller turns it into a comment on a line of its own, anywhere
/// in the file.
pub(crate) fn stamp_line(other_lines: &str) -> String {
    format!("{MARK}{}", checksum(other_lines))
}

/// Who wrote this text.
pub fn authorship(text: &str) -> Authorship {
    let Some(stamp) = text.lines().find(|line| line.contains(MARK)) else { return Authorship::Foreign };
    let rest: String =
        text.split_inclusive('\n').filter(|line| line.trim_end_matches('\n') != stamp).collect();
    let claimed = stamp.split_once(MARK).map(|(_, after)| after.chars().take_while(char::is_ascii_hexdigit));
    match claimed.is_some_and(|claimed| claimed.collect::<String>() == checksum(&rest)) {
        true => Authorship::Ours,
        false => Authorship::Edited,
    }
}

fn checksum(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A line-by-line diff like `diff -u`, without file names.
pub fn difference(there: &str, wanted: &str) -> String {
    let patch = DiffOptions::new().set_context_len(1).create_patch(there, wanted).to_string();
    // The first two lines are for file names.
    patch.split_inclusive('\n').skip(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(body: &str) -> String {
        format!("# {}\n{body}", stamp_line(body))
    }

    #[test]
    fn a_stamped_text_is_ours_until_it_is_edited() {
        let text = stamped("[Service]\nExecStart=/bin/x run\n");
        assert_eq!(authorship(&text), Authorship::Ours);
        assert_eq!(authorship(&text.replace("/bin/x", "/bin/y")), Authorship::Edited);
        assert_eq!(authorship("[Service]\n"), Authorship::Foreign);
        assert_eq!(authorship(""), Authorship::Foreign);
    }

    #[test]
    fn the_stamp_may_stand_anywhere() {
        let (first, rest) = ("<?xml?>\n", "<plist/>\n");
        let text = format!("{first}<!-- {} -->\n{rest}", stamp_line(&format!("{first}{rest}")));
        assert_eq!(authorship(&text), Authorship::Ours);
        assert_eq!(authorship(&text.replace("<plist/>", "<plist>")), Authorship::Edited);
    }

    #[test]
    fn a_diff_shows_both_sides() {
        assert_eq!(difference("a\nb\n", "a\nc\n"), "@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
        assert_eq!(difference("a\n", "a\n"), "");
    }
}
