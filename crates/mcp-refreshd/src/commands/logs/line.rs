//! A line of the log file as it is shown: its time is UTC there, and the user's here.

use crate::platform::zone;
use crate::terminal::paragraph::paragraphs;
use crate::terminal::style::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How lines are shown to this reader.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    zone: TimeZone,
    style: Style,
}

impl Shown {
    /// To whoever reads standard output.
    pub(super) fn to_stdout() -> Self {
        Self { zone: zone::of_this_process(), style: Style::of_stdout() }
    }

    /// Whole lines of the file: with local times and their distance from UTC, and on a terminal no wider than it. JSON is for programs and stays
    /// as it is.
    pub(super) fn lines(&self, text: &str) -> String {
        text.split_inclusive('\n').map(|line| self.line(line)).collect()
    }

    fn line(&self, line: &str) -> String {
        if line.starts_with('{') {
            return line.to_owned();
        }
        let dated =
            line.split_once(' ').and_then(|(time, rest)| Some((time.parse::<Timestamp>().ok()?, rest)));
        let line = match dated {
            Some((time, rest)) => {
                let time = time.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z");
                format!("{time} {rest}")
            }
            None => line.to_owned(),
        };
        match self.style.size {
            Some((columns, _)) => paragraphs(&line, columns, &self.style).join("\n"),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(columns: Option<usize>) -> Shown {
        let size = columns.map(|columns| (columns, 24));
        let style = Style { size, colour: false, utf8: true, cursor: false };
        Shown { zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(), style }
    }

    #[test]
    fn times_are_the_users_and_say_how_far_from_utc() {
        let text =
            "2026-11-28T23:30:05.120Z INFO  lab: refreshed\nno time\n2026-07-01T12:00:00.000Z WARN  it is so";
        assert_eq!(
            shown(None).lines(text),
            "2026-11-29T00:30:05.120+01:00 INFO  lab: refreshed\nno time\n2026-07-01T14:00:00.000+02:00 WARN  it is so"
        );
        let json = "{\"time\":\"2026-11-28T23:30:05.120Z\",\"message\":\"a line that is wider than its terminal\"}\n";
        assert_eq!(shown(Some(20)).lines(json), json);
        assert_eq!(
            shown(Some(40)).lines("2026-11-28T23:30:05.120Z INFO  lab: refreshed, valid for 1 h\n"),
            "2026-11-29T00:30:05.120+01:00 INFO lab:\n  refreshed, valid for 1 h\n"
        );
    }
}
