use super::output;
use std::io::{self, BufRead, IsTerminal};

/// Asks a question at the terminal; `None` if nobody is there to answer. Everything but a yes is a no.
pub(crate) fn confirmed(question: &str) -> Option<bool> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return None;
    }
    output::message(&format!("{question} [y/N]"));
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    Some(read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes"))
}
