//! The only place that prints. On a terminal the picture is painted over itself and the news scroll above it; elsewhere
//! everything is a plain line.

use crate::picture;
use crate::track::Track;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Without a terminal the state is told this often.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Screen {
    terminal: bool,
    colour: bool,
    /// Lines of the picture that stand at the bottom now.
    painted: usize,
    told: Option<Duration>,
}

impl Screen {
    pub(crate) fn of_stdout() -> Self {
        let terminal =
            io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { terminal, colour, painted: 0, told: None }
    }

    /// A reader that has gone away (`| head`) is no reason to leave the daemon running: errors are not for here.
    fn put(&mut self, text: &str) {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    /// Takes the picture away, so that a line can go in its place.
    fn wiped(&mut self) -> String {
        match std::mem::take(&mut self.painted) {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }

    pub(crate) fn line(&mut self, line: &str) {
        let wiped = self.wiped();
        self.put(&format!("{wiped}{line}\n"));
    }

    pub(crate) fn complain(&mut self, line: &str) {
        self.picture_is_final();
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Something happened to one entry.
    pub(crate) fn news(&mut self, elapsed: Duration, name: &str, news: &str) {
        let name = format!("{name:<8}");
        let name = if self.colour { format!("\x1b[1m{name}\x1b[0m") } else { name };
        self.line(&format!("{:>5.1} s  {name}{news}", elapsed.as_secs_f32()));
    }

    /// How things stand.
    pub(crate) fn picture(&mut self, elapsed: Duration, time: Duration, tracks: &[Track]) {
        if self.terminal {
            let lines = picture::table(elapsed, time, tracks);
            let wiped = self.wiped();
            self.painted = lines.len();
            self.put(&format!("{wiped}{}\n", lines.join("\n")));
        } else if self.told.is_none_or(|told| elapsed >= told + PLAIN_EVERY) {
            self.told = Some(elapsed);
            self.line(&picture::plain(elapsed, tracks));
        }
    }

    /// Leaves the picture where it stands.
    pub(crate) fn picture_is_final(&mut self) {
        self.painted = 0;
    }
}
