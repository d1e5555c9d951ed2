/// The first lines of an input, each without its line end, and the bytes after them. Lines that are missing are empty.
pub(crate) fn head<const N: usize>(input: &[u8]) -> ([String; N], &[u8]) {
    let mut rest = input;
    let lines = std::array::from_fn(|_| {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
        String::from_utf8_lossy(line).into_owned()
    });
    (lines, rest)
}
