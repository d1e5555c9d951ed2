//! The picture as a file of its own, to be looked at or put into a page.

use super::coverage::State;
use super::summary::{Row, labels};
use super::table::percent;
use crate::terminal::columns::width;
use crate::terminal::wording::visible;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use std::fmt::Write as _;

const TITLE: &str = "How long each MCP login was valid";
/// Pixels.
const MARGIN: i64 = 16;
/// Of one column of text, at least.
const LETTER: i64 = 9;
const BAR: i64 = 720;
const PERCENT: i64 = 80;
const ROW: i64 = 26;
const HEAD: i64 = 64;
const FOOT: i64 = 74;
/// Distances between the lines of the scale in minutes.
const STEPS: [i64; 10] = [1, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60, DAY, 7 * DAY, 30 * DAY];
const DAY: i64 = 24 * 60;
/// More lines would run into each other's labels.
const MOST_TICKS: i64 = 8;

/// Hatching and dots, so that no state is told by its colour alone. The colours are those of Okabe and Ito, which everybody can tell apart.
const PATTERNS: &str = "<defs>\n\
    <pattern id=\"expired\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"#e69f00\"/><rect width=\"2.5\" height=\"6\" fill=\"#7a3b00\"/></pattern>\n\
    <pattern id=\"missing\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\"><rect width=\"7\" height=\"7\" fill=\"#ffffff\"/><path d=\"M0 0L7 7M7 0L0 7\" stroke=\"#b3005e\" stroke-width=\"1.5\"/></pattern>\n\
    <pattern id=\"asleep\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><rect width=\"6\" height=\"6\" fill=\"#f2f2f2\"/><circle cx=\"3\" cy=\"3\" r=\"1\" fill=\"#777777\"/></pattern>\n\
    <pattern id=\"off\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><rect width=\"6\" height=\"6\" fill=\"#ffffff\"/><rect width=\"6\" height=\"1\" fill=\"#999999\"/></pattern>\n\
    </defs>\n";

/// A standalone SVG of how each server was between two moments, in this time zone.
pub(super) fn svg(rows: &[Row], from: Timestamp, until: Timestamp, zone: &TimeZone) -> String {
    let labels: Vec<_> = labels(rows).iter().map(|label| visible(label)).collect();
    let longest = labels.iter().map(|label| width(label)).max().unwrap_or(0);
    let left = 2 * MARGIN + LETTER * i64::try_from(longest).unwrap_or(0);
    let count = i64::try_from(rows.len()).unwrap_or(0);
    let (whole, bottom) = (left + BAR + PERCENT, HEAD + count * ROW);
    let height = bottom + FOOT;
    let scale = Scale { left, from, until, zone };
    let period = format!("{} to {}", scale.minute(from), scale.minute(until));
    let zone_name = scale.written(until, "%Z");
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"{height}\" viewBox=\"0 0 {whole} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\" role=\"img\" aria-label=\"{TITLE}\">\n\
         <title>{TITLE}</title>\n{PATTERNS}\
         <rect width=\"{whole}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"16\" font-weight=\"bold\">{TITLE}</text>\n\
         <text x=\"{MARGIN}\" y=\"44\" fill=\"#555555\">{period}, local time ({})</text>\n",
        escaped(&zone_name)
    );
    // Writing to a string does not fail.
    for (at, label) in scale.ticks() {
        let x = scale.x(at);
        let _ = writeln!(
            text,
            "<path d=\"M{x:.1} {HEAD}V{bottom}\" stroke=\"#cccccc\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#555555\">{label}</text>",
            bottom + 16
        );
    }
    for ((place, label), row) in (0..).zip(&labels).zip(rows) {
        let y = HEAD + place * ROW;
        let middle = y + 17;
        let _ = writeln!(text, "<text x=\"{MARGIN}\" y=\"{middle}\">{}</text>", escaped(label));
        for span in row.coverage.iter().flat_map(|coverage| &coverage.spans) {
            let (Some(fill), begin) = (fill(span.state), scale.x(span.from)) else { continue };
            let wide = (scale.x(span.until) - begin).max(0.5);
            let _ = writeln!(
                text,
                "<rect x=\"{begin:.2}\" y=\"{}\" width=\"{wide:.2}\" height=\"18\" fill=\"{fill}\"><title>{} from {} to {}</title></rect>",
                y + 4,
                span.state.wording(),
                scale.minute(span.from),
                scale.minute(span.until)
            );
        }
        let x = whole - MARGIN;
        let percent = percent(row.coverage.as_ref());
        let _ =
            writeln!(text, "<text x=\"{x}\" y=\"{middle}\" text-anchor=\"end\">{}</text>", percent.trim());
    }
    let legend = State::ALL.into_iter().filter_map(|state| Some((state, fill(state)?)));
    for (place, (state, fill)) in (0..).zip(legend) {
        let (x, y) = (left + place * 118, bottom + 38);
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"14\" height=\"14\" fill=\"{fill}\" stroke=\"#999999\" stroke-width=\"0.5\"/><text x=\"{}\" y=\"{}\">{}</text>",
            x + 20,
            y + 12,
            state.wording()
        );
    }
    text.push_str("</svg>\n");
    text
}

/// Where moments lie, and how they are written.
struct Scale<'a> {
    left: i64,
    from: Timestamp,
    until: Timestamp,
    zone: &'a TimeZone,
}

impl Scale<'_> {
    fn x(&self, at: Timestamp) -> f64 {
        let whole = (self.until.as_millisecond() - self.from.as_millisecond()).max(1) as f64;
        let share = (at.as_millisecond() - self.from.as_millisecond()) as f64 / whole;
        self.left as f64 + share.clamp(0.0, 1.0) * BAR as f64
    }

    fn written(&self, at: Timestamp, format: &str) -> String {
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    fn minute(&self, at: Timestamp) -> String {
        self.written(at, "%Y-%m-%d %H:%M")
    }

    /// Round moments of the user's day, with their labels.
    fn ticks(&self) -> Vec<(Timestamp, String)> {
        let minutes = (self.until.as_second() - self.from.as_second()) / 60;
        let step = STEPS.into_iter().find(|step| minutes / step <= MOST_TICKS).unwrap_or(365 * DAY);
        let first = self.from.to_zoned(self.zone.clone()).start_of_day();
        let mut ticks = Vec::new();
        let mut at = first.ok();
        while let Some(tick) = at.filter(|tick| tick.timestamp() < self.until && ticks.len() <= 12) {
            if tick.timestamp() > self.from {
                let midnight = tick.hour() == 0 && tick.minute() == 0;
                let format = if step >= DAY || midnight { "%a %d %b" } else { "%H:%M" };
                ticks.push((tick.timestamp(), tick.strftime(format).to_string()));
            }
            at = next(&tick, step);
        }
        ticks
    }
}

/// So many minutes later; whole days by the calendar, which knows days of 23 and 25 hours.
fn next(tick: &Zoned, step: i64) -> Option<Zoned> {
    let step = if step % DAY == 0 { (step / DAY).days() } else { step.minutes() };
    tick.checked_add(step).ok()
}

fn fill(state: State) -> Option<&'static str> {
    match state {
        State::Valid => Some("#0072b2"),
        State::Resting => Some("#b5dcf5"),
        State::Expired => Some("url(#expired)"),
        State::Missing => Some("url(#missing)"),
        State::Asleep => Some("url(#asleep)"),
        State::Unwatched => Some("url(#off)"),
        State::Removed => None,
    }
}

/// As text between tags or in an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
