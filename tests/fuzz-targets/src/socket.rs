use mcp_refreshd::fuzzed;

/// The lines on the control socket: requests as the daemon reads them, answers as its clients do.
///
/// A message that is understood survives being sent again, as one line. Otherwise the error is safe on a terminal.
///
/// Input: the line.
pub fn socket(input: &[u8]) {
    for read in [fuzzed::request, fuzzed::answer] {
        match read(input) {
            Ok(line) => {
                assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
                let again = read(&line).expect("what is sent is understood");
                assert!(again == line, "{} became {}", line.escape_ascii(), again.escape_ascii());
            }
            Err(told) => {
                assert!(!told.is_empty() && !told.contains(char::is_control), "{told:?}");
            }
        }
    }
}
