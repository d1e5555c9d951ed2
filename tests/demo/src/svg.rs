//! The demo as an SVG: it plays once and then shows the end. No script, no font of its own; a viewer that animates nothing shows the end.

use crate::screen::{HEAD, LABEL, fitting};
use crate::story::{Change, Row, SIDE, Side, Tone};
use std::fmt::Write as _;
use std::time::Duration;

/// Pixels of a column and of a line.
const COLUMN: f32 = 8.43;
const LINE: usize = 22;
const MARGIN: usize = 20;
/// Moments are rounded, so that two recordings look alike.
const GRAIN_MS: u128 = 500;

/// The whole story.
pub(crate) fn svg(changes: &[Change]) -> String {
    let rows = Row::all().count() + HEAD.len() + 3;
    let width = (80.0 * COLUMN) as usize + 2 * MARGIN;
    let height = rows * LINE + 2 * MARGIN;
    let y = |line: usize| MARGIN + LINE * (line + 1) - 6;
    let title = "Five sessions on one expired token, without mcp-refreshd and with it";
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\" xml:space=\"preserve\" \
         role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#16181d\"/>\n"
    );
    for (line, head) in HEAD.iter().enumerate() {
        put(&mut text, 0, y(line), "#9aa4b2", head, "");
    }
    let first = HEAD.len() + 1;
    for side in Side::BOTH {
        put(&mut text, left(side), y(first), "#ffffff", side.title(), "");
        for (line, row) in Row::all().enumerate() {
            let y = y(first + 1 + line);
            put(&mut text, left(side), y, "#9aa4b2", &row.label(), "");
            let of_it: Vec<_> =
                changes.iter().filter(|change| (change.side, change.row) == (side, row)).collect();
            for (index, change) in of_it.iter().enumerate() {
                let next = of_it.get(index + 1).map(|next| moment(next.at));
                let begin = moment(change.at);
                if next.as_ref() == Some(&begin) {
                    continue;
                }
                // Without animation the last text of a row is seen, and no other.
                let (hidden, shown) = match &next {
                    None if begin == "0" => ("", String::new()),
                    None => (
                        "",
                        format!(
                            "<set attributeName=\"visibility\" to=\"hidden\" begin=\"0s\" dur=\"{begin}s\"/>"
                        ),
                    ),
                    Some(next) => (
                        "\" visibility=\"hidden",
                        format!(
                            "<set attributeName=\"visibility\" to=\"visible\" begin=\"{begin}s\" end=\"{next}s\"/>"
                        ),
                    ),
                };
                let colour = format!("{}{hidden}", colour(change.tone));
                put(&mut text, left(side) + LABEL, y, &colour, &fitting(&change.text), &shown);
            }
        }
    }
    let (x, top, bottom) = (MARGIN as f32 + (SIDE as f32 + 1.0) * COLUMN, y(first) - 14, y(rows - 2));
    let _ = writeln!(text, "<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#444b57\"/>");
    let end = changes.last().map_or_else(|| "0".to_owned(), |last| moment(last.at));
    let full = (80.0 * COLUMN) as usize;
    let _ = writeln!(
        text,
        "<rect x=\"{MARGIN}\" y=\"{}\" width=\"{full}\" height=\"3\" fill=\"#444b57\"><animate attributeName=\"width\" from=\"0\" to=\"{full}\" dur=\"{end}s\"/></rect>",
        height - MARGIN
    );
    text.push_str("</svg>\n");
    text
}

fn left(side: Side) -> usize {
    match side {
        Side::Without => 0,
        Side::With => SIDE + 2,
    }
}

fn put(svg: &mut String, column: usize, y: usize, colour: &str, text: &str, animation: &str) {
    let x = MARGIN as f32 + column as f32 * COLUMN;
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // Writing to a string does not fail.
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" fill=\"{colour}\">{text}{animation}</text>");
}

/// Blue and orange of Okabe and Ito, lighter for the dark ground.
fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "#d6dbe3",
        Tone::Busy => "#9aa4b2",
        Tone::Good => "#56b4e9",
        Tone::Bad => "#e69f00",
    }
}

/// Seconds.
fn moment(at: Duration) -> String {
    let steps = (at.as_millis() + GRAIN_MS / 2) / GRAIN_MS;
    match (steps / 2, steps % 2) {
        (seconds, 0) => seconds.to_string(),
        (seconds, _) => format!("{seconds}.5"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that meets anything unexpected should end")]
mod tests {
    use super::*;

    fn change(at: u64, side: Side, row: Row, text: &str) -> Change {
        Change { at: Duration::from_millis(at), side, row, text: text.into(), tone: Tone::Plain }
    }

    /// Every tag that is opened is closed, in its order; gives the tags.
    fn tags(svg: &str) -> Vec<&str> {
        let (mut open, mut all) = (Vec::new(), Vec::new());
        for tag in svg.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').unwrap();
            assert!(!text.contains('>') && tag.matches('"').count() % 2 == 0, "{tag}");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') => {}
                None => open.push(tag.split(' ').next().unwrap()),
            }
            all.push(tag);
        }
        assert!(open.is_empty(), "{open:?}");
        all
    }

    #[test]
    fn the_recording_is_well_formed_names_both_sides_and_shows_the_end_where_nothing_moves() {
        let row = Row::Session(1);
        let told = [
            change(0, Side::Without, Row::Token, "about <to> expire & more"),
            change(400, Side::Without, row, "refreshes"),
            change(9012, Side::Without, row, "connected"),
            change(9120, Side::With, row, "gone at once"),
            change(9140, Side::With, row, "kept"),
        ];
        let svg = svg(&told);
        let tags = tags(&svg);
        assert!(svg.contains(">WITHOUT mcp-refreshd<") && svg.contains(">WITH mcp-refreshd<"));
        assert!(svg.contains("about &lt;to&gt; expire &amp; more") && !svg.contains("gone at once"), "{svg}");
        let hidden: Vec<_> = svg.lines().filter(|line| line.contains("visibility=\"hidden\"")).collect();
        assert_eq!(hidden.len(), 1, "{svg}");
        assert!(
            hidden
                .iter()
                .all(|line| line.contains("refreshes<set ") && line.contains("begin=\"0.5s\" end=\"9s\""))
        );
        assert!(
            !tags
                .iter()
                .any(|tag| tag.starts_with("script") || tag.contains("href") || tag.contains("onload"))
        );
    }

    #[test]
    fn the_recording_of_the_documentation_is_one_of_this_program() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/demo.svg");
        let svg = std::fs::read_to_string(path).unwrap();
        tags(&svg);
        assert!(svg.len() < 60_000, "{} bytes", svg.len());
        for side in Side::BOTH {
            assert!(svg.contains(side.title()), "{}", side.title());
        }
        assert!(svg.contains("LOST: claude mcp login lab") && svg.contains(">kept<"));
    }
}
