//! A growth chart with logarithmic axes, on which linear growth is a straight line of slope 1.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 60.0;
/// Distinguishable in light and dark mode, and with red-green color blindness.
const COLOURS: [&str; 3] = ["#0f8bd6", "#e08214", "#9a5fd0"];

/// One curve of the chart.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// The powers of ten around the values.
struct Axis {
    from: i32,
    to: i32,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64>) -> Self {
        let logs: Vec<f64> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
        let least = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let from = whole(least.floor());
        Self { from, to: whole(most.ceil()).max(from + 1) }
    }

    /// A value's position, from 0 to 1.
    fn part(&self, value: f64) -> f64 {
        (value.max(1e-9).log10() - f64::from(self.from)) / f64::from(self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.from..=self.to).map(|power| 10_f64.powi(power))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a power of ten that somebody measured")]
fn whole(power: f64) -> i32 {
    if power.is_finite() { power as i32 } else { 0 }
}

/// An SVG that is readable on light and dark backgrounds: text and axes use the reader's own color if known, or else a gray that
/// contrasts with both.
pub(crate) fn draw(axis: &str, curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let (across, up) =
        (Axis::around(points().map(|point| point.0)), Axis::around(points().map(|point| point.1)));
    let x = |value: f64| LEFT + across.part(value) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - up.part(value) * (HEIGHT - TOP - BOTTOM);
    let mut svg = String::new();
    let mut put = |text: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(svg, "{text}");
    };
    put(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13" fill="none">"#
    ));
    put(format_args!(
        "<style>.t{{fill:#57606a}}.l{{stroke:#8c959f}}.g{{stroke:#8c959f;stroke-opacity:.3}}@media (prefers-color-scheme:dark){{.t{{fill:#adbac7}}}}</style>"
    ));
    for tick in across.ticks() {
        let (at, low, high) = (x(tick), HEIGHT - BOTTOM, TOP);
        put(format_args!(r#"<path class="g" d="M{at:.1} {low}V{high}"/>"#));
        put(format_args!(
            r#"<text class="t" x="{at:.1}" y="{:.1}" text-anchor="middle">{tick}</text>"#,
            low + 18.0
        ));
    }
    for tick in up.ticks() {
        let (at, end) = (y(tick), WIDTH - RIGHT);
        put(format_args!(r#"<path class="g" d="M{LEFT} {at:.1}H{end}"/>"#));
        put(format_args!(
            r#"<text class="t" x="{:.1}" y="{:.1}" text-anchor="end">{tick}</text>"#,
            LEFT - 8.0,
            at + 4.0
        ));
    }
    put(format_args!(r#"<path class="l" d="M{LEFT} {TOP}V{:.1}H{:.1}"/>"#, HEIGHT - BOTTOM, WIDTH - RIGHT));
    put(format_args!(
        r#"<text class="t" x="{:.1}" y="{:.1}" text-anchor="middle">{axis}</text>"#,
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 16.0
    ));
    for (number, (curve, colour)) in curves.iter().zip(COLOURS).enumerate() {
        let line: Vec<String> =
            curve.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        put(format_args!(r#"<polyline points="{}" stroke="{colour}" stroke-width="2.5"/>"#, line.join(" ")));
        for point in &curve.points {
            put(format_args!(
                r#"<circle cx="{:.1}" cy="{:.1}" r="3.5" fill="{colour}"/>"#,
                x(point.0),
                y(point.1)
            ));
        }
        let at = LEFT + 210.0 * number as f64;
        put(format_args!(r#"<path d="M{at} 30h22" stroke="{colour}" stroke-width="2.5"/>"#));
        put(format_args!(r#"<text class="t" x="{:.1}" y="34">{}</text>"#, at + 28.0, curve.name));
    }
    svg.push_str("</svg>\n");
    svg
}
