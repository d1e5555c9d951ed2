//! A scripted `/usr/bin/security`; see the library.

use scripted_security::{Call, Keychain};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // If even this fails, there is no way to report it.
            let _ = writeln!(io::stderr(), "scripted-security: {error}");
            ExitCode::from(99)
        }
    }
}

fn run() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let home = std::env::var_os("HOME").map(PathBuf::from).ok_or_else(|| io::Error::other("no $HOME"))?;
    let mut input = Vec::new();
    if arguments.first().is_some_and(|first| first == "-i") {
        io::stdin().read_to_end(&mut input)?;
    }
    let environment = std::env::vars().collect();
    let call = Call { arguments, environment, input: input.len() };
    let answer = Keychain::at(&home)?.run(&call, &input)?;
    io::stdout().write_all(&answer.stdout)?;
    io::stderr().write_all(&answer.stderr)?;
    Ok(ExitCode::from(u8::try_from(answer.code).unwrap_or(99)))
}
