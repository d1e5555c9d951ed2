//! The picture as a file of its own, to be looked at or put into a page.

use super::coverage::{Coverage, State};
use super::text::percent;
use crate::terminal::columns::shortened;
use jiff::Timestamp;
use std::fmt::Write as _;

/// Pixels.
const NAMES: i64 = 170;
const BAR: i64 = 720;
const PERCENT: i64 = 80;
const ROW: i64 = 26;
const HEAD: i64 = 44;
const FOOT: i64 = 56;
/// About what fits beside the bars.
const LONGEST_NAME: usize = 22;
/// Distances between the lines of the scale, in seconds.
const STEPS: [i64; 8] = [60, 300, 900, 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400];

/// A standalone SVG of how each server was between two moments.
pub(super) fn svg(coverages: &[Coverage], from: Timestamp, until: Timestamp) -> String {
    let rows = i64::try_from(coverages.len()).unwrap_or(0);
    let (width, height) = (NAMES + BAR + PERCENT, HEAD + rows * ROW + FOOT);
    let bottom = HEAD + rows * ROW;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>How long the logins of Claude Code's MCP servers were good</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"10\" y=\"20\" font-weight=\"bold\">{} to {} UTC</text>\n",
        minute(from),
        minute(until)
    );
    let scale = Scale { from: from.as_millisecond(), until: until.as_millisecond() };
    // Writing to a string does not fail.
    for tick in scale.ticks() {
        let x = scale.x(tick);
        let label =
            Timestamp::from_second(tick).map(|at| at.strftime("%m-%d %H:%M").to_string()).unwrap_or_default();
        let _ = writeln!(
            text,
            "<path d=\"M{x} {HEAD}V{bottom}\" stroke=\"#cccccc\"/><text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#555555\">{label}</text>",
            bottom + 14
        );
    }
    for (row, coverage) in (0..).zip(coverages) {
        let y = HEAD + row * ROW;
        let middle = y + 17;
        let name = escaped(&shortened(&coverage.server, LONGEST_NAME));
        let _ = writeln!(text, "<text x=\"10\" y=\"{middle}\">{name}</text>");
        for span in &coverage.spans {
            let (Some(fill), left) = (fill(span.state), scale.x_of(span.from)) else { continue };
            let wide = (scale.x_of(span.until) - left).max(0.5);
            let _ = writeln!(
                text,
                "<rect x=\"{left:.2}\" y=\"{}\" width=\"{wide:.2}\" height=\"18\" fill=\"{fill}\"><title>{} from {} to {}</title></rect>",
                y + 4,
                span.state.wording(),
                minute(span.from),
                minute(span.until)
            );
        }
        let x = NAMES + BAR + PERCENT - 10;
        let _ = writeln!(
            text,
            "<text x=\"{x}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
            percent(coverage).trim()
        );
    }
    let legend = State::ALL.into_iter().filter_map(|state| Some((state, fill(state)?)));
    for (place, (state, fill)) in (0..).zip(legend) {
        let (x, y) = (NAMES + place * 120, bottom + 28);
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"14\" height=\"14\" fill=\"{fill}\"/><text x=\"{}\" y=\"{}\">{}</text>",
            x + 20,
            y + 12,
            state.wording()
        );
    }
    text.push_str("</svg>\n");
    text
}

/// Where moments lie.
struct Scale {
    from: i64,
    until: i64,
}

impl Scale {
    fn x_of(&self, at: Timestamp) -> f64 {
        let whole = (self.until - self.from).max(1) as f64;
        let share = (at.as_millisecond() - self.from) as f64 / whole;
        NAMES as f64 + share.clamp(0.0, 1.0) * BAR as f64
    }

    fn x(&self, second: i64) -> String {
        format!("{:.1}", Timestamp::from_second(second).map_or(0.0, |at| self.x_of(at)))
    }

    /// At most ten whole moments, in seconds.
    fn ticks(&self) -> impl Iterator<Item = i64> {
        let (first, last) = (self.from.div_euclid(1000), self.until.div_euclid(1000));
        let step = STEPS.into_iter().find(|step| (last - first) / step <= 10).unwrap_or(365 * 86400);
        let begin = first.div_euclid(step) * step + step;
        (0..=11).map(move |tick| begin + tick * step).take_while(move |tick| *tick < last)
    }
}

fn fill(state: State) -> Option<&'static str> {
    match state {
        State::Valid => Some("#2e8b57"),
        State::Resting => Some("#a9d3bb"),
        State::Expired => Some("#c0392b"),
        State::Missing => Some("#8e44ad"),
        State::Unwatched => Some("#d0d0d0"),
        State::Removed => None,
    }
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

/// As text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
