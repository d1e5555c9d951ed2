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
