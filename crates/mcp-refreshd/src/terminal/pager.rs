//! Long output, a page at a time: as git does it, on a terminal only and only where it does not fit.

use crate::platform::signals;
use crate::terminal::output;
use crate::terminal::style::Style;
use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::{Child, Command, Stdio};

/// How `less` behaves where `$LESS` does not say: ends at once if all fits, shows colours, leaves the text on the screen.
const LESS: &str = "FRX";

/// Prints a result, through `$PAGER` (else `less`) where it is longer than the terminal. Without a pager it is printed as it is. Must be
/// called inside a runtime.
///
/// # Errors
/// As [`output::result`].
pub(crate) fn result(text: &str, style: &Style) -> io::Result<()> {
    let variable = env::var_os("PAGER");
    let fits = style.size.is_none_or(|(_, rows)| text.lines().count() < rows);
    let Some(mut pager) = command(variable.as_ref()).filter(|_| !fits) else { return output::result(text) };
    // Ctrl-C is for the pager, which shares the terminal with this process.
    let _interrupts = signals::interrupt();
    match pager.spawn() {
        Ok(pager) => {
            fed(pager, text);
            Ok(())
        }
        Err(_) => output::result(text),
    }
}

/// The pager; `None` if the user wants none.
fn command(variable: Option<&OsString>) -> Option<Command> {
    let mut command = match variable {
        Some(none) if none.is_empty() || none == "cat" => return None,
        // It may hold options.
        Some(line) => {
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(line);
            shell
        }
        None => Command::new("less"),
    };
    if env::var_os("LESS").is_none() {
        command.env("LESS", LESS);
    }
    command.stdin(Stdio::piped());
    Some(command)
}

/// Hands the text over and waits for the end. A pager that was left before the last page is no error.
fn fed(mut pager: Child, text: &str) {
    if let Some(mut input) = pager.stdin.take() {
        let _ = input.write_all(text.as_bytes());
    }
    let _ = pager.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(variable: Option<&str>) -> Option<Vec<String>> {
        let command = command(variable.map(OsString::from).as_ref())?;
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        Some(words.map(|word| word.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn the_pager_is_less_unless_the_user_wants_another_or_none() {
        assert_eq!(started(None), Some(vec!["less".into()]));
        assert_eq!(started(Some("more -d")), Some(["/bin/sh", "-c", "more -d"].map(str::to_owned).to_vec()));
        assert_eq!((started(Some("")), started(Some("cat"))), (None, None));
    }
}
