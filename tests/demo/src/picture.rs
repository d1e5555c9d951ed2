//! The picture of all entries as text. Pure.

use crate::track::{Track, seconds};
use std::time::Duration;

/// Cells of the bar; one stands for 2.5 s of a 60-second token.
const BAR: i64 = 24;
const FULL_MS: i64 = 60_000;

/// One line for each entry, under a heading.
pub(crate) fn table(elapsed: Duration, time: Duration, tracks: &[Track]) -> Vec<String> {
    let heading = format!(
        "{:>2} of {} s   {:<33}{:<34}{:<18}{}",
        elapsed.as_secs(),
        time.as_secs(),
        "",
        "time left",
        "access  refresh",
        "refreshes"
    );
    std::iter::once(heading).chain(tracks.iter().map(row)).collect()
}

fn row(track: &Track) -> String {
    let Some(now) = track.now() else { return format!("{:<8}{}", track.name(), "not seen yet") };
    let filled = (now.left_ms.clamp(0, FULL_MS) * BAR + FULL_MS - 1) / FULL_MS;
    let cell = |at| if at < filled { '█' } else { '░' };
    let bar: String = (0..BAR).map(cell).collect();
    format!(
        "{:<8}{:<34}{bar} {:>7}  {} {} {:>5}",
        track.name(),
        track.manner(),
        seconds(now.left_ms),
        now.access,
        now.refresh,
        track.refreshes()
    )
}

/// The same without pictures, in one line: for a log.
pub(crate) fn plain(elapsed: Duration, tracks: &[Track]) -> String {
    let entries = tracks.iter().map(|track| {
        let left = track.now().map_or("not seen".to_owned(), |now| seconds(now.left_ms));
        format!("{} {left}", track.name())
    });
    format!("{:>5.1} s  time left: {}", elapsed.as_secs_f32(), entries.collect::<Vec<_>>().join(", "))
}

/// What came of it.
pub(crate) fn summary(tracks: &[Track], reuses: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for track in tracks {
        lines.push(format!(
            "{:<8}refreshes {}, lowest remaining life seen {}, expired reads {}",
            track.name(),
            track.refreshes(),
            track.lowest_ms().map_or("unknown".to_owned(), seconds),
            track.expired_reads()
        ));
    }
    lines.push(format!("refresh tokens used twice, as the server saw it: {reuses}"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn track(left_ms: i64) -> Track {
        let mut track = Track::new("lab", "as it should be");
        let entry = json!({"accessToken": "a", "refreshToken": "r", "expiresAt": left_ms});
        track.look(Some(entry), 0, |_| true);
        track
    }

    fn filled(left_ms: i64) -> usize {
        row(&track(left_ms)).chars().filter(|cell| *cell == '█').count()
    }

    #[test]
    fn the_bar_is_full_with_a_whole_life_left_and_empty_only_when_expired() {
        assert_eq!([60_000, 90_000, 30_000, 1, 0, -5_000].map(filled), [24, 24, 12, 1, 0, 0]);
    }

    #[test]
    fn the_summary_names_what_was_read_expired() {
        let lines = summary(&[track(-5_000)], 2);
        assert_eq!(lines[1], "lab     refreshes 0, lowest remaining life seen -5.0 s, expired reads 1");
        assert!(lines[2].ends_with(": 2"));
    }
}
