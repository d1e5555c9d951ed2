//! How `security -i` reads its standard input.

/// The size of its line buffer, including the final NUL: what does not fit becomes the next line.
pub(crate) const BUFFER: usize = 4096;

/// The lines as the tool reads them.
pub(crate) fn lines(input: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        lines.extend(line.chunks(BUFFER - 1));
    }
    lines
}

/// Splits a line into words: quotes of both kinds keep spaces together, a backslash escapes the next character.
pub(crate) fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b'\\', _) => word.get_or_insert_default().extend(bytes.next()),
            (_, Some(end)) if byte == end => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(byte),
            (b'"' | b'\'', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (_, None) if byte.is_ascii_whitespace() => words.extend(word.take()),
            (_, None) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}
