use super::finding::{Finding, Severity};
use super::fix::{Fix, Fixed};
use crate::terminal::columns::{fitted, flowed, labelled};
use crate::terminal::paragraph::{beside, paragraphs};
use crate::terminal::style::Style;
use crate::terminal::wording::{self, counted, visible};
use serde::Serialize;

const HEALTHY: &str = "no problems found\n";

/// Longer lines are hard to read, however wide the terminal.
const WIDEST: usize = 80;

type Shown<'a> = (&'a Finding, Option<Fixed>);

/// The findings for people.
pub(super) fn text(shown: &[Shown<'_>], dry_run: bool, style: &Style) -> String {
    if shown.is_empty() {
        return HEALTHY.to_owned();
    }
    let terminal = style.size.map(|(columns, _)| columns);
    let columns = terminal.unwrap_or(usize::MAX);
    let mut text = String::new();
    for (finding, fixed) in shown {
        let Finding { name, severity, confidence, servers, path, means, cure, fix, together: _ } = finding;
        let head = format!("{}: {name} ({})", severity.word(), confidence.word());
        text.push_str(&format!("{}\n", paragraphs(&head, columns, style).join("\n")));
        let fixed = match (fixed, fix) {
            (Some(Fixed::Done(what)), _) => Some(("fixed", what.clone())),
            (Some(Fixed::Failed(why)), _) => Some(("not fixed", why.clone())),
            (None, Some(fix)) if dry_run => Some(("would", fix.would())),
            (None, _) => None,
        };
        let solved = matches!(fixed, Some(("fixed", _)));
        let said = |label: &str, value: &str| {
            labelled(&format!("  {label:7} "), &style.shows(&visible(value)), Some(columns.min(WIDEST)))
        };
        // Paths are there to be copied: not even in ASCII, where an escaped one would be another.
        let copied = |label: &str, value: &str| labelled(&format!("  {label:7} "), &visible(value), terminal);
        let label = if servers.len() > 1 { "servers" } else { "server" };
        if !servers.is_empty() {
            text.push_str(&said(label, &servers.join(", ")));
        }
        text.extend(path.iter().map(|path| copied("where", path)));
        text.push_str(&said("means", means));
        if !solved {
            let cure = visible(cure);
            text.push_str(&match terminal {
                Some(columns) => beside("  cure    ", &cure, columns, style),
                None => copied("cure", &cure),
            });
        }
        text.extend(fixed.iter().map(|(label, value)| copied(label, value)));
        text.push('\n');
    }
    text.push_str(&flowed(&summary(shown), columns).join("\n"));
    text.push('\n');
    fitted(&text, terminal)
}

fn summary(shown: &[Shown<'_>]) -> String {
    let solved = shown.iter().filter(|(_, fixed)| matches!(fixed, Some(Fixed::Done(_)))).count();
    let left = shown.iter().filter(|(_, fixed)| !matches!(fixed, Some(Fixed::Done(_))));
    let (troubles, notes): (Vec<_>, Vec<_>) =
        left.partition(|(found, _)| found.severity == Severity::Trouble);
    let fixable = troubles
        .iter()
        .chain(&notes)
        .filter(|(finding, fixed)| finding.fix.is_some() && fixed.is_none())
        .count();
    let mut parts =
        vec![counted(troubles.len(), "problem", "problems"), counted(notes.len(), "note", "notes")];
    if solved > 0 {
        parts.push(format!("{solved} fixed"));
    }
    if fixable > 0 {
        parts.push(format!("{fixable} can be fixed with: mcp-refreshd doctor --fix"));
    }
    parts.join(", ")
}

/// `doctor --json`, format version 1. Members are only ever added under the same version.
#[derive(Serialize)]
struct Json<'a> {
    format_version: u32,
    findings: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    severity: &'a str,
    confidence: &'a str,
    /// The one it is about; `None` if it is about none or several.
    server: Option<&'a str>,
    servers: &'a [String],
    path: Option<&'a str>,
    means: &'a str,
    cure: &'a str,
    /// What `--fix` would do; `None` if it does nothing.
    fix: Option<String>,
    /// Whether it was fixed now; `None` if nothing was tried.
    fixed: Option<bool>,
    /// Why it could not be fixed.
    not_fixed: Option<&'a str>,
}

/// The findings for programs.
///
/// # Errors
/// None in practice: every member can be written.
pub(super) fn json(shown: &[Shown<'_>]) -> Result<String, serde_json::Error> {
    let row = |(finding, fixed): &'_ Shown<'_>| {
        let not_fixed = match fixed {
            Some(Fixed::Failed(why)) => Some(why.clone()),
            _ => None,
        };
        (finding.fix.as_ref().map(Fix::would), fixed.as_ref().map(|f| matches!(f, Fixed::Done(_))), not_fixed)
    };
    let rows: Vec<_> = shown.iter().map(row).collect();
    let findings = shown.iter().zip(&rows).map(|((finding, _), (fix, fixed, not_fixed))| Row {
        name: finding.name,
        severity: finding.severity.word(),
        confidence: finding.confidence.word(),
        server: match finding.servers.as_slice() {
            [one] => Some(one),
            _ => None,
        },
        servers: &finding.servers,
        path: finding.path.as_deref(),
        means: &finding.means,
        cure: &finding.cure,
        fix: fix.clone(),
        fixed: *fixed,
        not_fixed: not_fixed.as_deref(),
    });
    wording::json(&Json { format_version: 1, findings: findings.collect() })
}

// A command that goes over several lines is one for a POSIX shell.
#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::super::finding::Confidence;
    use super::*;
    use crate::terminal::columns::width;

    #[test]
    fn a_finding_is_laid_out_for_its_terminal_and_its_cure_stays_one_command() {
        let means = "the server issued no refresh token, so this login cannot be refreshed; it ends in 3 min";
        let cure = "claude mcp login 'my – own' (each time it ends)";
        let finding = Finding::trouble("no-refresh-token", Confidence::Certain, means, cure).of("my – own");
        let style = |columns, utf8| Style { size: Some((columns, 24)), colour: false, utf8, cursor: true };
        for columns in [20, 40, 80, 120] {
            let text = text(&[(&finding, None)], false, &style(columns, true));
            assert!(text.lines().all(|line| width(line) <= columns), "{columns}: {text}");
            let joined = text.replace(" \\\n", " ").replace("'\\\n'", "");
            assert!(joined.contains("claude mcp login 'my – own'"), "{text}");
        }
        let piped = super::text(&[(&finding, None)], false, &Style { size: None, ..style(0, true) });
        assert!(piped.contains(&format!("  cure    {cure}\n")), "{piped}");
        let ascii = text(&[(&finding, None)], false, &style(80, false));
        assert!(ascii.contains("  server  my \\u{2013} own\n") && ascii.contains(cure), "{ascii}");
        assert_eq!(text(&[], false, &style(20, true)), HEALTHY);
    }
}
